"""The command as a script calls it, here or in a process of its own, on a sandbox that lists after a moment."""

import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from threading import Event

import pytest
from django.core import serializers
from django.core.management import CommandError, call_command

from controlplane.audit.models import Entry
from controlplane.lifecycle import cleanup, exclusive_run, steps
from controlplane.lifecycle.management.commands import lifecycle as command
from controlplane.lifecycle.models import Asked, Report
from controlplane.operations.models import Operation
from tests.running import ROOT, Running, database_url
from tests.sandbox_process import Sandbox

# Seconds until an import is listed; "about 5 s" are 1 to 15. A process waits for them in real time. Where the clocks
# are moved it may as well be long, so that a slow machine does not list it before the first look.
LISTED_AFTER, LISTED_AFTER_MOVED, MOVE = 2.0, 10.0, 11.0
SID, TOKEN = "AC" + "7" * 32, "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
PROMPT = "You are Support Bot. Be brief."

Lifecycle = Callable[..., tuple[int, str]]


@pytest.fixture
def quick(remote: Sandbox, monkeypatch) -> Sandbox:
    for name in ("TWILIO_SID", "TWILIO_TOKEN", "TWILIO_PHONE_NUMBER", "TWILIO_ACCOUNT_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    remote.settings(listed_after=LISTED_AFTER)
    return remote


@pytest.fixture
def stopping(quick, monkeypatch) -> type[Event]:
    """The event that a run waits on. Instead of waiting it moves the clocks: the run's own and the sandbox's."""
    quick.settings(listed_after=LISTED_AFTER_MOVED)
    moved = 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return moved

    class Stopping(Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal moved
            assert timeout is not None
            seconds = max(timeout, MOVE)
            moved += seconds
            quick.advance(seconds)
            return self.is_set()

    monkeypatch.setattr(steps, "time", Clock)
    for module in (command, cleanup):
        monkeypatch.setattr(module, "Event", Stopping)
    return Stopping


@pytest.fixture
def only(monkeypatch) -> Callable[..., None]:
    """only("create", "import"): a run has these steps alone, which is all that most tests of a run need."""

    def shorten(*names: str) -> None:
        assert set(names) <= {plan.name for plan in exclusive_run.FIRST}
        monkeypatch.setattr(exclusive_run, "FIRST", [plan for plan in exclusive_run.FIRST if plan.name in names])

    return shorten


@pytest.fixture
def lifecycle(stopping, lifecycle_that_waits) -> Lifecycle:
    """lifecycle("--repeat", "2") -> (exit status, what was printed)."""
    return lifecycle_that_waits


@pytest.fixture
def lifecycle_that_waits(quick) -> Lifecycle:
    """The same in real time."""

    def run(*args: str) -> tuple[int, str]:
        printed = StringIO()
        try:
            call_command("lifecycle", *args, stdout=printed)
        except SystemExit as ended:
            return int(ended.code or 0), printed.getvalue()
        except CommandError as error:
            return error.returncode, f"{printed.getvalue()}{error}"
        return 0, printed.getvalue()

    return run


@pytest.fixture
def given(quick, monkeypatch):
    def give(token: str = TOKEN) -> None:
        monkeypatch.setenv("TWILIO_SID", SID)
        monkeypatch.setenv("TWILIO_TOKEN", token)
        monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+1 415 555 0123")

    return give


@pytest.fixture
def child(quick):
    """child("--clean-up") -> a `Running` process of the command on this test's database and remote."""
    started: list[Running] = []

    def run(*args: str) -> Running:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.lifecycle.process_settings",
            "DATABASE_URL": database_url(),
            "SANDBOX_URL": quick.url,
            "PYTHONUNBUFFERED": "1",
        }
        started.append(Running([sys.executable, str(ROOT / "manage.py"), "lifecycle", *args], environment))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.kill()


def everything_kept(folder: Path, printed: str) -> str:
    """All rows and files that a run leaves, as one text."""
    rows = [row for model in (Report, Asked, Operation, Entry) for row in model.objects.all()]
    files = [file.read_text() for file in folder.iterdir()]
    return printed + "".join(files) + serializers.serialize("json", rows)


def newest() -> Report:
    return Report.objects.latest("pk")


def verdicts() -> dict[int, str]:
    return {line["number"]: line["verdict"] for line in newest().data["assumptions"]}


def step(name: str) -> dict:
    return next(one for one in newest().data["steps"] if one["name"] == name)


def nothing_is_left(remote: Sandbox) -> bool:
    lists = (remote.get("/v1/convai/agents", archived=archived)["agents"] for archived in ("false", "true"))
    return not any(lists) and remote.get("/v1/convai/phone-numbers") == []


def at_the_fault(remote, method: str, path: str, skip: int) -> dict:
    """The call that the fault holds, as soon as it has arrived."""
    last: dict = {"id": 0}
    for _ in range(skip + 1):
        last = remote.wait_for_call(method, path, since=last["id"], seconds=60)
    return last
