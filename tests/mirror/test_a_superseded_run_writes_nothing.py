"""A run that was taken for dead stops, wherever it is: from then on no row is changed by it, and it ends nothing."""

from typing import Any

import pytest
from django.forms.models import model_to_dict
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.elevenlabs.transport import Transport
from controlplane.mirror import runs
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.mirror.writer import MirrorWriter
from controlplane.operations import settle
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services
from tests.mirror.fixtures import NUMBERS, changed, deleted, known, made, run_over_all, unlisted
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db


def everything() -> dict[str, Any]:
    """As it stands in the database, but for the runs."""
    models = (Agent, PhoneNumber, Hold, OutsideChange, Entry, Operation)
    return {
        f"{model.__name__} {row.pk}": model_to_dict(row, [field.name for field in model._meta.fields])
        for model in models
        for row in model.objects.order_by("pk")
    }


class TakenForDead:
    """At the n-th call of a method, another worker finds that the claim has lapsed, and begins a run of its own."""

    def __init__(self, patch: pytest.MonkeyPatch, clock: Clock, at: int, where: Any = Transport, method: str = "read"):
        self.left = at
        self.before: dict[str, Any] = {}
        self.other: SyncRun | None = None
        real = getattr(where, method)

        def called(owner: Any, *args: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                clock.passes(100)
                self.other = runs.start(clock.remote.url)
                self.before = everything()
            return real(owner, *args)

        patch.setattr(where, method, called)


def busy_scene(clock: Clock) -> None:
    """One of everything that a run does."""
    agents, numbers = known(clock, "agent", 6), []
    numbers = known(clock, "number", 6)
    deleted(clock, agents[0], numbers[0])
    run_over_all()  # missing since now: the next complete run buries them
    deleted(clock, agents[1], numbers[1])
    changed(clock, agents[2], "New name")
    changed(clock, numbers[2], "New label")
    late = numbers[3]
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="late", late_seconds=300)
    services.set_label(late, "Late", shown=late.label, key="late", actor=None)
    made(clock, "agent", 2)
    clock.passes(200)
    settle.settle_due()  # "not applied", and then it takes effect
    # A number of an agent that is not listed, and one of an agent that is gone already.
    for place, name in enumerate(["Hidden", "Dead"]):
        agent_id = clock.remote.console("create_agent", name=name)["agent_id"]
        clock.remote.console("add_number", phone_number=f"+155502{place:05}", label=name, agent_id=agent_id)
        if name == "Dead":
            clock.remote.console("delete_agent", agent_id=agent_id)
        else:
            unlisted(clock, "agent", agent_id, agents[3].remote_id)
    clock.passes(200)
    unlisted(clock, "number", numbers[4].remote_id)


def calls_of_a_run(clock: Clock) -> int:
    since = clock.remote.call_report()["last_id"]
    run_over_all()
    return len(clock.remote.calls(since=since))


CALLS = 18  # as many as a run over the busy scene makes, or more


def test_the_scene_is_as_busy_as_it_says(clock):
    busy_scene(clock)
    kinds = Entry.objects.latest("pk").pk
    assert 14 < calls_of_a_run(clock) < CALLS
    told = set(Entry.objects.filter(pk__gt=kinds).values_list("kind", flat=True))
    assert {f"{what}.{deed}" for what in ("agent", "number") for deed in ("added", "changed", "gone")} <= told
    assert "operation.late" in told
    assert Agent.objects.filter(name="Dead").exclude(gone_at=None).exists()


# A list, details, and what is looked up; the call that asks who we are: test_it_neither_opens_nor_ends_a_hold.
FEW = (2, 7, 14)


@pytest.mark.parametrize(
    "at", [pytest.param(at, marks=() if at in FEW else pytest.mark.slow) for at in range(1, CALLS)]
)
def test_wherever_it_is(at, clock, monkeypatch):
    busy_scene(clock)
    with monkeypatch.context() as patch:
        dead = TakenForDead(patch, clock, at)
        run = sync_all()
    assert run is not None
    if dead.other is None:
        assert run.state == SyncRun.State.COMPLETE, "it made fewer calls than this"
        return
    assert everything() == dead.before
    assert (run.state, run.problem) == (SyncRun.State.PARTIAL, runs.WORKER_DIED)
    dead.other.refresh_from_db()
    assert dead.other.state == SyncRun.State.RUNNING, "nor does it end the other one's"
    SyncRun.objects.filter(pk=dead.other.pk).update(claimed_until=timezone.now())
    clock.remote.clear_faults()
    recover(clock)
    assert mirror_differs(clock.remote) == []


@pytest.mark.parametrize("at", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "method", ["_prepare_and_store", "_store", "mark_missing", "mark_deleted", "record_details_read"]
)
def test_at_the_last_moment(method, at, clock, monkeypatch):
    """Stopped by the system right before it writes, for longer than its claim."""
    busy_scene(clock)
    with monkeypatch.context() as patch:
        dead = TakenForDead(patch, clock, at, MirrorWriter, method)
        run = sync_all()
    assert run is not None
    assert dead.other is not None or (method, at) == ("record_details_read", 2)
    if dead.other is not None:
        assert everything() == dead.before
        assert run.problem == runs.WORKER_DIED


@pytest.mark.parametrize("held", ["vanished", "workspace", "over"])
def test_it_neither_opens_nor_ends_a_hold(held, clock, monkeypatch):
    rows = known(clock, "number", 6)
    if held == "workspace":
        clock.remote.fault("GET", "/v1/user", "edit", body={"workspace_id": "workspace_b"})
        at = 1
    else:
        unlisted(clock, "number", *(row.remote_id for row in rows))
        at = 4  # who we are, two lists of agents, the numbers
        if held == "over":
            run_over_all(SyncRun.State.HELD)
    with monkeypatch.context() as patch:
        dead = TakenForDead(patch, clock, at)
        sync_all()
    assert dead.other is not None
    assert clock.remote.calls(path=NUMBERS if at == 4 else "/v1/user")
    assert everything() == dead.before
