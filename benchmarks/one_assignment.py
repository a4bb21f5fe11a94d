"""How much code one assignment through the API runs, in process: own files, functions, moves, SQL statements.

A move is a call from one of the project's files into another. The second of two assignments is counted, so that what
happens once per process (imports, the OpenAPI document) is excluded. Aims: 28 files, 110 moves, 26 statements. The
client, traffic control and the mirror take part in each of the three requests to ElevenLabs.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import harness

PAGE = harness.ROOT / "docs" / "architecture.md"
BEFORE = "9913276"  # the last revision in which writes were not actions
OWN = tuple(str(harness.ROOT / name) + "/" for name in ("controlplane", "agents", "numbers"))


@dataclass
class Trace:
    files: set[str] = field(default_factory=set)
    functions: set[CodeType] = field(default_factory=set)
    calls: int = 0
    moves: int = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not is_own(frame.f_code):
            return
        self.calls += 1
        self.files.add(frame.f_code.co_filename)
        self.functions.add(frame.f_code)
        caller = frame.f_back
        while caller is not None and not is_own(caller.f_code):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
            self.moves += 1


def is_own(code: CodeType) -> bool:
    return code.co_filename.startswith(OWN) and "/sandbox/" not in code.co_filename


@contextmanager
def traced() -> Iterator[Trace]:
    trace = Trace()
    sys.setprofile(trace)
    try:
        yield trace
    finally:
        sys.setprofile(None)


def measure() -> dict[str, Any]:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from agents.models import Agent
    from controlplane.api import tokens
    from numbers.models import PhoneNumber
    from numbers.sync import sync_all

    settings.ALLOWED_HOSTS = ["testserver"]
    with harness.remote() as remote:
        names = ("Support Bot", "Sales Bot", "Night Bot")
        ids = [remote.create_agent(name) for name in names]
        remote.import_number(agent_id=ids[0])
        remote.advance(10)
        sync_all()
        number = PhoneNumber.objects.get()
        assert Agent.objects.count() == len(names)
        admin = User.objects.create_superuser("admin")
        token, _ = tokens.issue(admin, name="bench", lives=timedelta(days=1), by=None, by_name="system")
        bearer = f"Bearer {tokens.access_token(token)}"

        def assign(agent_id: str) -> None:
            answer = Client().patch(
                f"/api/numbers/{number.remote_id}/assign",
                {"agent_id": agent_id},
                content_type="application/json",
                headers={"Authorization": bearer, "Idempotency-Key": agent_id},
            )
            assert answer.status_code == 200, answer.content

        assign(ids[1])
        with CaptureQueriesContext(connection) as queries, traced() as trace:
            assign(ids[2])
    return {
        "files": len({Path(name) for name in trace.files}),
        "functions": len(trace.functions),
        "calls": trace.calls,
        "moves": trace.moves,
        "sql": len(queries),
    }


def section(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    head = ["code", "database", "own files", "functions", "calls", "moves between files", "SQL statements"]
    rows = [
        [version, kind, *(found[name] for name in ("files", "functions", "calls", "moves", "sql"))]
        for version, by_database in results.items()
        for kind, found in by_database.items()
    ]
    return f"{(__doc__ or '').split(chr(10) * 2)[1].strip()}\n\n" + harness.table(head, rows)


def before(revision: str) -> dict[str, dict[str, Any]]:
    """The same counts of an earlier revision, which contains this script too."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "worktree", "add", "--detach", folder, revision], cwd=harness.ROOT, check=True)
        try:
            return harness.measured(Path(folder) / "benchmarks" / Path(__file__).name)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=harness.ROOT, check=True)


if __name__ == "__main__":
    if "--child" in sys.argv:
        harness.run_measurement(measure)
    else:
        counts = {f"before ({BEFORE})": before(BEFORE), "now": harness.measured(Path(__file__))}
        harness.write_section("One assignment, counted", section(counts), PAGE)
