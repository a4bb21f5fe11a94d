"""A run that crashed, was killed or lost its claim never counts as a complete listing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.sync import Agents
from controlplane.mirror import runs
from controlplane.mirror.models import SyncRun
from controlplane.mirror.writer import MirrorWriter
from numbers.models import PhoneNumber
from numbers.sync import Numbers, sync_all
from tests.operations.clock import Clock
from tests.operations.writes import agent, number

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Raised like a time limit or Ctrl-C."""


def before(collection: Any, method: str, action: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    real = getattr(collection, method)

    def first(self: Any, *args: Any) -> Any:
        action()
        return real(self, *args)

    patch.setattr(collection, method, first)


@pytest.mark.parametrize("error", [ZeroDivisionError, Killed])
@pytest.mark.parametrize("method", ["listings", "diff", "values", "listable"])
def test_a_crash_is_recorded_as_partial_and_not_swallowed(method, error, clock, monkeypatch):
    number(clock, agent(clock))
    clock.remote.console("add_number", phone_number="+15550100124", label="New")
    clock.passes(10)

    def crash() -> None:
        raise error

    before(Numbers, method, crash, monkeypatch)
    with pytest.raises(error):
        sync_all()
    run = SyncRun.objects.get()
    assert (run.state, run.problem) == (SyncRun.State.PARTIAL, "The run ended with an error.")
    assert run.ended_at is not None
    assert run.calls > 0
    assert not PhoneNumber.objects.exclude(missing_since=None).exists()


def test_the_next_run_starts_90_seconds_after_a_worker_was_killed():
    dead = SyncRun.objects.create(claimed_until=timezone.now() + timedelta(seconds=1))
    assert runs.start("http://x") is None
    SyncRun.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert runs.start("http://x") is not None
    dead.refresh_from_db()
    assert (dead.state, dead.problem) == (SyncRun.State.PARTIAL, "The worker that ran it ended first.")
    assert dead.ended_at is not None


def test_a_run_that_is_slow_but_alive_keeps_its_claim(clock: Clock, monkeypatch):
    for name in ("A", "B", "C"):
        clock.remote.console("create_agent", name=name)
    others = []

    def slow() -> None:
        clock.passes(60)
        others.append(sync_all())

    with monkeypatch.context() as patch:
        before(Agents, "details", slow, patch)
        run = sync_all()
    assert run is not None
    assert (run.state, run.added) == (SyncRun.State.COMPLETE, 3)
    assert others == [None, None, None]


LAST_MOMENTS = [(Agents, "details"), (Agents, "values"), (MirrorWriter, "_note_outside_changes")]


@pytest.mark.parametrize(("where", "method"), LAST_MOMENTS)
def test_a_run_that_lost_its_claim_writes_nothing_more(where, method, clock: Clock, monkeypatch):
    """The last of the moments is inside the transaction that stores, which is then rolled back."""
    for name in ("A", "B", "C"):
        clock.remote.console("create_agent", name=name)
    superseded = []

    def supersede() -> None:
        if not superseded:
            clock.passes(100)
            SyncRun.objects.update(state=SyncRun.State.PARTIAL, problem="taken over")
            superseded.append(True)

    before(where, method, supersede, monkeypatch)
    run = sync_all()
    assert run is not None
    assert superseded
    assert run.ended_at is None, "a worker that lost the claim must not end the run"
    assert not Agent.objects.exists()


def test_the_phase_is_reported_from_the_start(clock: Clock):
    clock.remote.console("create_agent", name="A")
    phases: list[str] = []
    sync_all(watch=lambda run: phases.append(run.phase))
    assert list(dict.fromkeys(phases)) == [
        "asking which workspace this is",
        "listing agents",
        "reading agents",
        "listing numbers",
        "looking up agents that are missing",
        "looking up numbers that are missing",
    ]
