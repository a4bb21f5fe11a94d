"""A run whose claim was taken over stops wherever it is: it changes no more rows and does not end the other run."""

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
    """All rows in the database except the runs."""
    models = (Agent, PhoneNumber, Hold, OutsideChange, Entry, Operation)
    return {
        f"{model.__name__} {row.pk}": model_to_dict(row, [field.name for field in model._meta.fields])
        for model in models
        for row in model.objects.order_by("pk")
    }


class ClaimTaken:
    """At the n-th call of a method, the claim lapses and another worker starts a run of its own."""

    def __init__(self, patch: pytest.MonkeyPatch, clock: Clock, at: int, where: Any = Transport, method: str = "read"):
        self.calls_left = at
        self.before: dict[str, Any] = {}
        self.other: SyncRun | None = None
        real = getattr(where, method)

        def called(owner: Any, *args: Any) -> Any:
            self.calls_left -= 1
            if self.calls_left == 0:
                clock.passes(100)
                self.other = runs.start(clock.remote.url)
                self.before = everything()
            return real(owner, *args)

        patch.setattr(where, method, called)


def busy_workspace(clock: Clock) -> None:
    """A workspace in which a run has everything to do that a run can do."""
    agents, numbers = known(clock, "agent", 6), []
    numbers = known(clock, "number", 6)
    deleted(clock, agents[0], numbers[0])
    run_over_all()  # now they are missing; the next complete run marks them as deleted
    deleted(clock, agents[1], numbers[1])
    changed(clock, agents[2], "New name")
    changed(clock, numbers[2], "New label")
    late = numbers[3]
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="late", late_seconds=300)
    services.set_label(late, "Late", shown=late.label, key="late", actor=None)
    made(clock, "agent", 2)
    clock.passes(200)
    settle.settle_due()  # the verdict is "not applied", and later it takes effect
    # A number of an agent that is not listed, and one of an agent that is already deleted.
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


CALLS = 18  # an upper limit of the calls that a run over the busy workspace makes


def test_the_busy_workspace_covers_everything(clock):
    busy_workspace(clock)
    last_entry = Entry.objects.latest("pk").pk
    assert 14 < calls_of_a_run(clock) < CALLS
    recorded = set(Entry.objects.filter(pk__gt=last_entry).values_list("kind", flat=True))
    assert {f"{what}.{verb}" for what in ("agent", "number") for verb in ("added", "changed", "gone")} <= recorded
    assert "operation.late" in recorded
    assert Agent.objects.filter(name="Dead").exclude(gone_at=None).exists()


# A list, details and a lookup by id. test_it_neither_opens_nor_ends_a_hold covers the call for the workspace.
FEW = (2, 7, 14)


@pytest.mark.parametrize(
    "at", [pytest.param(at, marks=() if at in FEW else pytest.mark.slow) for at in range(1, CALLS)]
)
def test_wherever_it_is(at, clock, monkeypatch):
    busy_workspace(clock)
    with monkeypatch.context() as patch:
        claim_taken = ClaimTaken(patch, clock, at)
        run = sync_all()
    assert run is not None
    if claim_taken.other is None:
        assert run.state == SyncRun.State.COMPLETE, "the run made fewer calls than this"
        return
    assert everything() == claim_taken.before
    assert (run.state, run.problem) == (SyncRun.State.PARTIAL, runs.WORKER_DIED)
    claim_taken.other.refresh_from_db()
    assert claim_taken.other.state == SyncRun.State.RUNNING, "it must not end the other run"
    SyncRun.objects.filter(pk=claim_taken.other.pk).update(claimed_until=timezone.now())
    clock.remote.clear_faults()
    recover(clock)
    assert mirror_differs(clock.remote) == []


@pytest.mark.parametrize("at", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "method", ["_prepare_and_store", "_store", "mark_missing", "mark_deleted", "record_details_read"]
)
def test_at_the_last_moment(method, at, clock, monkeypatch):
    """The process is suspended right before it writes, for longer than its claim lasts."""
    busy_workspace(clock)
    with monkeypatch.context() as patch:
        claim_taken = ClaimTaken(patch, clock, at, MirrorWriter, method)
        run = sync_all()
    assert run is not None
    assert claim_taken.other is not None or (method, at) == ("record_details_read", 2)
    if claim_taken.other is not None:
        assert everything() == claim_taken.before
        assert run.problem == runs.WORKER_DIED


@pytest.mark.parametrize("held", ["vanished", "workspace", "over"])
def test_it_neither_opens_nor_ends_a_hold(held, clock, monkeypatch):
    rows = known(clock, "number", 6)
    if held == "workspace":
        clock.remote.fault("GET", "/v1/user", "edit", body={"workspace_id": "workspace_b"})
        at = 1
    else:
        unlisted(clock, "number", *(row.remote_id for row in rows))
        at = 4  # the calls: workspace, two lists of agents, numbers
        if held == "over":
            run_over_all(SyncRun.State.HELD)
    with monkeypatch.context() as patch:
        claim_taken = ClaimTaken(patch, clock, at)
        sync_all()
    assert claim_taken.other is not None
    assert clock.remote.calls(path=NUMBERS if at == 4 else "/v1/user")
    assert everything() == claim_taken.before
