"""Worker and beat continue while ElevenLabs fails in every way. No existing object is marked as deleted, nothing is
lost or recorded twice, and two runs after the recovery the mirror is correct."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations.models import State
from controlplane.traffic.models import Circuit
from numbers.models import PhoneNumber
from tests import number_writes as services
from tests.operations.consistency_checks import mirror_differs
from tests.workers.process_harness import ProcessHarness
from tests.workers.waiting import until

pytestmark = pytest.mark.process
NUMBERS, AGENTS = "/v1/convai/v2/phone-numbers", "/v1/convai/agents"
TOO_FAST = {"detail": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Slow down"}}
NO_KEY = {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}
PARTIAL, HELD, COMPLETE = SyncRun.State.PARTIAL, SyncRun.State.HELD, SyncRun.State.COMPLETE
# What each run encounters, and how it has to end. `skip` lets the whole first page pass.
FAULTS: dict[str, tuple[dict[str, Any], SyncRun.State]] = {
    "500": ({"fault": "status", "status": 500, "skip": 1}, PARTIAL),
    "reset": ({"fault": "reset", "skip": 1}, PARTIAL),
    "garbage": ({"fault": "garbage", "skip": 1}, PARTIAL),
    "truncated": ({"fault": "truncate", "skip": 1}, PARTIAL),
    "hangs": ({"fault": "hang", "skip": 1}, PARTIAL),
    "drips": ({"fault": "drip"}, PARTIAL),
    "goes on nowhere": ({"fault": "edit", "body": {"has_more": True, "next_cursor": None}}, PARTIAL),
    "no list": ({"fault": "edit", "body": {"phone_numbers": None}}, PARTIAL),
    "empty list": ({"fault": "edit", "body": {"phone_numbers": [], "has_more": False}}, HELD),
    "another workspace": ({"path": "/v1/user", "fault": "edit", "body": {"workspace_id": "another"}}, HELD),
    "401 for 100 calls": ({"path": "*", "fault": "status", "status": 401, "body": NO_KEY, "times": 100}, PARTIAL),
}


class Scenario:
    """A correct mirror, and a console where something changes during each fault."""

    def __init__(self, harness: ProcessHarness) -> None:
        self.remote = harness.remote
        self.remote.reset(agents=3, numbers=230)  # three pages
        harness.environment["TEST_BEAT_SECONDS"] = "1"
        harness.worker()
        harness.beat()
        self.runs_end(timezone.now(), 1)
        assert mirror_differs(self.remote) == []
        self.since = Entry.objects.latest("pk").pk
        self.lines = list(PhoneNumber.objects.order_by("pk").values_list("remote_id", flat=True))
        self.expected: Counter[str] = Counter()

    def runs_end(self, moment: datetime, count: int) -> list[SyncRun]:
        """The first runs that started after this moment."""
        begun = SyncRun.objects.filter(started_at__gte=moment).order_by("pk")
        until(lambda: begun.exclude(ended_at=None).count() >= count, f"{count} runs ended")
        return list(begun[:count])

    def console(self) -> None:
        """Changes on the first and the last page and a new number; each has to be recorded once."""
        first, last = self.lines.pop(0), self.lines.pop()
        self.remote.console("patch_number", number=first, patch={"label": "Night line"})
        self.remote.console("delete_number", number=last)
        line = f"+1555019{len(self.lines):04}"
        added = self.remote.console("add_number", phone_number=line)["phone_number_id"]
        self.remote.advance(10)
        self.expected += Counter({("number.changed", first): 1, ("number.gone", last): 1, ("number.added", added): 1})

    @contextmanager
    def nothing_is_marked_as_deleted(self) -> Iterator[None]:
        gone = PhoneNumber.objects.exclude(gone_at=None).count()
        yield
        assert PhoneNumber.objects.exclude(gone_at=None).count() == gone
        assert not Agent.objects.exclude(gone_at=None).exists()

    def is_correct_after_two_runs(self) -> None:
        Circuit.objects.update(probe_at=timezone.now(), paused_until=None)  # otherwise this takes up to a minute
        runs = self.runs_end(timezone.now(), 2)
        assert [run.state for run in runs] == [COMPLETE, COMPLETE], [run.problem for run in runs]
        assert mirror_differs(self.remote) == []
        assert not Hold.objects.filter(state=Hold.State.OPEN).exists()

    def recorded_changes(self) -> Counter[Any]:
        entries = Entry.objects.filter(pk__gt=self.since, object_type__in=["agent", "number"])
        return Counter(entries.values_list("kind", "object_id"))


@pytest.fixture
def scenario(harness: ProcessHarness) -> Scenario:
    return Scenario(harness)


def test_it_answers_wrongly(scenario: Scenario):
    for name, (fault, state) in FAULTS.items():
        since = scenario.remote.call_report()["last_id"]
        with scenario.nothing_is_marked_as_deleted():
            scenario.remote.fault("GET", **{"path": NUMBERS, "times": 1000, **fault})
            began = timezone.now()
            scenario.console()
            runs = scenario.runs_end(began, 2 if name.startswith("401") else 1)
            assert {run.state for run in runs} == {state}, (name, [run.problem for run in runs])
        if name.startswith("401"):
            # The calls that the worker's four processes had in flight at the first 401, and one probe.
            assert len(scenario.remote.calls(since)) <= 5
        scenario.remote.clear_faults()
        scenario.is_correct_after_two_runs()
    assert scenario.recorded_changes() == scenario.expected
    assert OutsideChange.objects.count() == scenario.expected.total()


def test_it_asks_for_fewer_requests(scenario: Scenario):
    """A run waits out the pauses, each twice as long, and still completes."""
    since = scenario.remote.call_report()["last_id"]
    with scenario.nothing_is_marked_as_deleted():
        scenario.remote.fault("GET", "*", "status", status=429, body=TOO_FAST, times=200)
        scenario.console()
        until(lambda: Circuit.objects.filter(slowed__gte=3).exists(), "three pauses")
        assert 3 <= len(scenario.remote.calls(since)) <= 5
    scenario.remote.clear_faults()
    scenario.is_correct_after_two_runs()
    assert scenario.recorded_changes() == scenario.expected


def test_it_is_dead(scenario: Scenario):
    """For three intervals: more than two minutes with the shipped settings."""
    with scenario.nothing_is_marked_as_deleted():
        scenario.console()
        scenario.remote.kill()
        began = timezone.now()
        runs = scenario.runs_end(began, 3)
        assert {run.state for run in runs} == {PARTIAL}, [run.problem for run in runs]
    scenario.remote.restart()
    scenario.is_correct_after_two_runs()
    assert scenario.recorded_changes() == scenario.expected


def test_much_happens_while_a_list_is_read(scenario: Scenario):
    """Rows shift between pages, and staff move a number that has been read already."""
    scenario.remote.settings(paging="offset")
    line = PhoneNumber.objects.get(remote_id=scenario.lines.pop(0))
    first, second = Agent.objects.exclude(remote_id=line.bound_to)[:2]
    assert services.assign(line, first, shown=line.bound_to, key="to", actor=None).state == State.DONE
    line.refresh_from_db()
    for fault in range(3):
        run = in_the_middle_of_a_run(scenario, lambda fault=fault: during(fault, scenario, line, second))
        assert run.state == COMPLETE, run.problem
        line.refresh_from_db()
        assert line.bound_to == second.remote_id
        scenario.is_correct_after_two_runs()
    scenario.expected += Counter(
        {(kind, line.remote_id): 2 for kind in ("number.changed", "operation.sent", "operation.done")}
    )
    assert scenario.recorded_changes() == scenario.expected
    assert not OutsideChange.objects.filter(object_id=line.remote_id).exists()


def during(place: int, scenario: Scenario, line: PhoneNumber, second: Agent) -> None:
    scenario.console()
    if place == 0:
        assert services.assign(line, second, shown=line.bound_to, key="swap", actor=None).state == State.DONE


def in_the_middle_of_a_run(scenario: Scenario, action: Callable[[], None]) -> SyncRun:
    """Call `action` while a run waits for the second page of numbers; return the run once it has ended."""
    scenario.remote.fault("GET", NUMBERS, "pause", skip=1)
    until(lambda: not scenario.remote.waiting_faults(), "a run reads the second page")
    run = SyncRun.objects.get(state=SyncRun.State.RUNNING)
    action()
    scenario.remote.clear_faults()
    until(lambda: SyncRun.objects.get(pk=run.pk).ended_at, "the run has ended")
    run.refresh_from_db()
    return run
