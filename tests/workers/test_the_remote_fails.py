"""Worker and beat go on while ElevenLabs fails in every way. Nothing is taken for gone that is there, nothing is lost
or told twice, and once it is well again, two runs later the picture is true."""

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
# What each run meets, and how it has to end. `skip` lets a whole first page pass.
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


class Scene:
    """A picture that is true, and a console in which something happens during each fault."""

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
        """The first runs that began after this moment."""
        begun = SyncRun.objects.filter(started_at__gte=moment).order_by("pk")
        until(lambda: begun.exclude(ended_at=None).count() >= count, f"{count} runs ended")
        return list(begun[:count])

    def console(self) -> None:
        """On the first and the last page, and one that is new; each is to be told once."""
        first, last = self.lines.pop(0), self.lines.pop()
        self.remote.console("patch_number", number=first, patch={"label": "Night line"})
        self.remote.console("delete_number", number=last)
        line = f"+1555019{len(self.lines):04}"
        added = self.remote.console("add_number", phone_number=line)["phone_number_id"]
        self.remote.advance(10)
        self.expected += Counter({("number.changed", first): 1, ("number.gone", last): 1, ("number.added", added): 1})

    @contextmanager
    def nothing_is_taken_for_gone(self) -> Iterator[None]:
        gone = PhoneNumber.objects.exclude(gone_at=None).count()
        yield
        assert PhoneNumber.objects.exclude(gone_at=None).count() == gone
        assert not Agent.objects.exclude(gone_at=None).exists()

    def is_true_again_after_two_runs(self) -> None:
        Circuit.objects.update(probe_at=timezone.now(), paused_until=None)  # what otherwise takes up to a minute
        runs = self.runs_end(timezone.now(), 2)
        assert [run.state for run in runs] == [COMPLETE, COMPLETE], [run.problem for run in runs]
        assert mirror_differs(self.remote) == []
        assert not Hold.objects.filter(state=Hold.State.OPEN).exists()

    def told(self) -> Counter[Any]:
        told = Entry.objects.filter(pk__gt=self.since, object_type__in=["agent", "number"])
        return Counter(told.values_list("kind", "object_id"))


@pytest.fixture
def scene(harness: ProcessHarness) -> Scene:
    return Scene(harness)


def test_it_answers_wrongly(scene: Scene):
    for name, (fault, state) in FAULTS.items():
        since = scene.remote.call_report()["last_id"]
        with scene.nothing_is_taken_for_gone():
            scene.remote.fault("GET", **{"path": NUMBERS, "times": 1000, **fault})
            began = timezone.now()
            scene.console()
            runs = scene.runs_end(began, 2 if name.startswith("401") else 1)
            assert {run.state for run in runs} == {state}, (name, [run.problem for run in runs])
        if name.startswith("401"):
            # What the worker's four processes had under way when the first 401 came, and one probe.
            assert len(scene.remote.calls(since)) <= 5
        scene.remote.clear_faults()
        scene.is_true_again_after_two_runs()
    assert scene.told() == scene.expected
    assert OutsideChange.objects.count() == scene.expected.total()


def test_it_asks_for_fewer_requests(scene: Scene):
    """A run waits out the pauses, each twice as long, and is complete all the same."""
    since = scene.remote.call_report()["last_id"]
    with scene.nothing_is_taken_for_gone():
        scene.remote.fault("GET", "*", "status", status=429, body=TOO_FAST, times=200)
        scene.console()
        until(lambda: Circuit.objects.filter(slowed__gte=3).exists(), "three pauses")
        assert 3 <= len(scene.remote.calls(since)) <= 5
    scene.remote.clear_faults()
    scene.is_true_again_after_two_runs()
    assert scene.told() == scene.expected


def test_it_is_dead(scene: Scene):
    """For three intervals: with the one that is shipped, more than two minutes."""
    with scene.nothing_is_taken_for_gone():
        scene.console()
        scene.remote.kill()
        began = timezone.now()
        runs = scene.runs_end(began, 3)
        assert {run.state for run in runs} == {PARTIAL}, [run.problem for run in runs]
    scene.remote.restart()
    scene.is_true_again_after_two_runs()
    assert scene.told() == scene.expected


def test_much_happens_while_a_list_is_read(scene: Scene):
    """Rows shift between pages, and staff move a number that was read before."""
    scene.remote.settings(paging="offset")
    line = PhoneNumber.objects.get(remote_id=scene.lines.pop(0))
    first, second = Agent.objects.exclude(remote_id=line.bound_to)[:2]
    assert services.assign(line, first, shown=line.bound_to, key="to", actor=None).state == State.DONE
    line.refresh_from_db()
    for fault in range(3):
        run = in_the_middle_of_a_run(scene, lambda fault=fault: during(fault, scene, line, second))
        assert run.state == COMPLETE, run.problem
        line.refresh_from_db()
        assert line.bound_to == second.remote_id
        scene.is_true_again_after_two_runs()
    scene.expected += Counter(
        {(kind, line.remote_id): 2 for kind in ("number.changed", "operation.sent", "operation.done")}
    )
    assert scene.told() == scene.expected
    assert not OutsideChange.objects.filter(object_id=line.remote_id).exists()


def during(place: int, scene: Scene, line: PhoneNumber, second: Agent) -> None:
    scene.console()
    if place == 0:
        assert services.assign(line, second, shown=line.bound_to, key="swap", actor=None).state == State.DONE


def in_the_middle_of_a_run(scene: Scene, deed: Callable[[], None]) -> SyncRun:
    """Do it while a run waits for the second page of numbers; the run, when it has ended."""
    scene.remote.fault("GET", NUMBERS, "pause", skip=1)
    until(lambda: not scene.remote.waiting_faults(), "a run reads the second page")
    run = SyncRun.objects.get(state=SyncRun.State.RUNNING)
    deed()
    scene.remote.clear_faults()
    until(lambda: SyncRun.objects.get(pk=run.pk).ended_at, "the run has ended")
    run.refresh_from_db()
    return run
