"""Eight processes write at once over a bad connection, while one after the other is killed; in the end everything has
to be consistent. `STORM_SECONDS` sets the duration, `STORM_SEED` repeats another run's random choices (not
its timing)."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.operations import settle
from controlplane.operations.models import OPEN_STATES, Operation
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.clock import LONG_ENOUGH
from tests.sandbox_process import Sandbox
from tests.storm import figures
from tests.storm.checks import violations
from tests.storm.processes import Flock

SECONDS = float(os.environ.get("STORM_SECONDS", "60"))
LONGER = 120  # additional seconds while a kind of write or fault has not happened yet, for slow machines
PROCESSES = 8
KILL_EVERY = 0.22  # seconds, on average
LOOK_EVERY = 3.0  # seconds; the sandbox remembers 20,000 calls
RATE = 0.02
MANY = 10**9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.process,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(2 * SECONDS + LONGER + 600),
]

# Each affects 2 % of the calls for agents and numbers, reads and writes alike. A refusal is correct: it comes first.
NO = {"detail": {"status": "unauthorized", "message": "Not allowed at this moment."}}
FAULTS: dict[str, dict[str, Any]] = {
    "500 before": {"fault": "status", "status": 500},
    "500 after": {"fault": "status", "status": 500, "when": "after"},
    "hang before": {"fault": "hang"},
    "hang after": {"fault": "hang", "when": "after"},
    "reset before": {"fault": "reset"},
    "reset after": {"fault": "reset", "when": "after"},
    "empty": {"fault": "empty", "when": "after"},
    "truncated": {"fault": "truncate", "when": "after"},
    "html": {"fault": "html", "when": "after"},
    "429": {"fault": "status", "status": 429},
    "409": {"fault": "status", "status": 409},
    "401": {"fault": "status", "status": 401, "body": NO},
}
# A 401 to a read would correctly pause everything for half a minute; a 401 to a write only refuses that write.
ONLY_TO = {"401": ("POST", "PATCH", "DELETE")}
SCRIPT = [
    (name, {"method": method, "path": "/v1/convai/*", "rate": RATE, "times": MANY, **fault})
    for name, fault in FAULTS.items()
    for method in ONLY_TO.get(name, ("*",))
]

WORDS = {"agent.create": "create", "agent.duplicate": "duplicate", "agent.update": "update", "agent.delete": "delete"}
WORDS |= {"number.import": "import", "number.rename": "rename", "number.remove": "remove"}
EVERY_WRITE = {*WORDS.values(), "archive", "restore", "assign", "move", "release"}


@pytest.fixture
def own_sandbox(tmp_path: Path, settings: Any) -> Iterator[Sandbox]:
    sandbox = Sandbox().start(tmp_path / "sandbox.sqlite3")
    settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY = sandbox.url, sandbox.key
    sandbox.reset(agents=40, numbers=40)
    sandbox.settings(listed_after=1)
    yield sandbox
    sandbox.stop()


def test_the_storm(own_sandbox: Sandbox, tmp_path: Path, record_property: Any) -> None:
    remote, seed = own_sandbox, os.environ.get("STORM_SEED") or str(random.randrange(10**6))
    found: figures.Figures = {"seed": seed}
    assert sync_all(full=True) is not None
    since = max((entry["id"] for entry in remote.ledger()), default=0)
    history_since = Entry.objects.latest("pk").pk
    log = tmp_path / "processes.log"
    began = time.monotonic()

    with Flock(remote, seed, log) as flock:
        watch = Watch(remote)
        start_faults(remote)
        rage(flock, watch)
    wrong = flock.wrong
    remote.clear_faults()
    watch.until_nothing_is_under_way()

    found["seconds"] = round(time.monotonic() - began, 1)
    found["kills"] = flock.kills
    found["operations"] = Operation.objects.count()
    found["operations_of_each_state"] = counted(Operation.objects.values_list("state", flat=True))
    found["sent_writes"] = counted(map(word, Operation.objects.exclude(sent_at=None)))
    found["calls"] = watch.total
    found["write_calls"] = len(watch.writes)
    found["remote_writes"] = len(remote.ledger(since))
    found["faults"] = watch.faults
    found["unconfirmed_at_the_end"] = Operation.objects.filter(state__in=OPEN_STATES).count()
    try:
        recover(remote)
        wrong += violations(remote, watch.writes, since=since, history_since=history_since)
        found["unconfirmed_after_recovery"] = Operation.objects.filter(state__in=OPEN_STATES).count()
        found["violations"] = len(wrong)
    finally:
        figures.keep(found, record_property)
    assert not wrong, "\n".join([f"seed {seed}, processes' log {log}:", *wrong[:50], log.read_text()[-5000:]])
    assert not (missing := watch.missing()), f"in {found['seconds']} s these never happened: {missing}"


def start_faults(remote: Sandbox) -> None:
    remote.faults([fault for _, fault in SCRIPT])


def rage(flock: Flock, watch: "Watch") -> None:
    for _ in range(PROCESSES):
        flock.start()
    began = looked = time.monotonic()
    while (now := time.monotonic()) < began + SECONDS or (watch.missing() and now < began + SECONDS + LONGER):
        time.sleep(flock.dice.uniform(0, 2 * KILL_EVERY))
        flock.kill_one()
        flock.start()
        if time.monotonic() > looked + LOOK_EVERY:
            watch.read_back()
            looked = time.monotonic()
    watch.read_back()
    while flock.living:
        flock.kill_one()


class Watch:
    """What the sandbox recorded: it remembers few calls, so it is read repeatedly."""

    def __init__(self, remote: Sandbox) -> None:
        self._remote = remote
        self._before = remote.call_report(method="none")
        self._last = self._before["last_id"]
        self.total = 0
        self.writes: list[dict[str, Any]] = []
        self.faults: dict[str, int] = {}

    def read_back(self) -> None:
        report = self._remote.call_report(self._last)
        assert report["total"] - self._before["total"] == self.total + len(report["calls"]), "calls were forgotten"
        self.total += len(report["calls"])
        self.writes += [call for call in report["calls"] if call["method"] != "GET"]
        self._last = report["last_id"]
        if waiting := self._remote.waiting_faults():  # otherwise they have ended: keep what is known
            self.faults = dict.fromkeys(FAULTS, 0)
            for (name, _), fault in zip(SCRIPT, waiting, strict=True):
                self.faults[name] += MANY - fault["times"]

    def missing(self) -> list[str]:
        done = set(map(word, Operation.objects.exclude(sent_at=None)))
        return sorted(EVERY_WRITE - done) + [name for name in FAULTS if not self.faults.get(name)]

    def until_nothing_is_under_way(self) -> None:
        """A call of a killed process may still be carried out."""
        end = time.monotonic() + 30
        while self._remote.call_report(method="none")["in_flight"]:
            assert time.monotonic() < end, "a call never ended"
            time.sleep(0.05)
        self.read_back()


def recover(remote: Sandbox) -> None:
    """The work of the workers in the minutes after."""
    with time_machine.travel(time.time() + LONG_ENOUGH, tick=True):
        remote.advance(LONG_ENOUGH)
        while Operation.objects.filter(state__in=OPEN_STATES, settle_at__lte=timezone.now()).exists():
            before = Operation.objects.filter(state__in=OPEN_STATES).count()
            settle.settle_due()
            assert Operation.objects.filter(state__in=OPEN_STATES).count() < before, "nothing was decided"
        settle.settle_due()
        for _ in range(2):
            run = sync_all()
            assert run is not None
            assert run.state == run.State.COMPLETE, run.problem
        import_polling.poll_due()
        waiting = PhoneNumber.objects.existing().filter(listed_at=None)
        assert not waiting.exists(), f"imports that were never found: {list(waiting)}"


def word(op: Operation) -> str:
    if op.kind == "agent.archive":
        return "archive" if op.params["set"]["platform_settings.archived"] else "restore"
    if op.kind == "number.assign":
        return "release" if op.params["agent_id"] is None else "move" if op.params["shown"] else "assign"
    return WORDS[op.kind]


def counted(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(map(str, names)).items()))
