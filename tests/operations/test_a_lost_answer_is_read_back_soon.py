"""A write that took effect but whose answer was lost is confirmed after two seconds, not after a minute."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.utils import timezone

from controlplane.operations import outcome
from controlplane.operations.models import Operation, State
from controlplane.operations.settle import settle_due
from numbers.actions import AssignNumber
from tests.operations.clock import Clock, started
from tests.operations.writes import WRITES, agent
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(remote: Sandbox) -> Iterator[Clock]:
    """A clock without ticks, because these tests count seconds and a busy machine would add some."""
    with started(remote, tick=False) as traveller:
        yield Clock(remote, traveller)


def due_in(op: Operation) -> int:
    """The seconds from sending to the next check, rounded."""
    op.refresh_from_db()
    return round((op.settle_at - op.sent_at).total_seconds())


@pytest.mark.parametrize("name", ["move", "import"])  # one is read back by id, the other is found in a list
def test_what_took_effect_is_known_two_seconds_after_the_loss(name, clock):
    ask = WRITES[name].set_up(clock)
    clock.remote.settings(listed_after=0)
    clock.remote.fault(WRITES[name].method, "/v1/convai/*", "reset", when="after")
    op = ask("key")
    assert (op.state, due_in(op)) == (State.SENT, 2)
    assert settle_due() == 0
    clock.passes(2)
    assert settle_due() == 1
    op.refresh_from_db()
    assert op.state == State.DONE, op.message


def test_a_write_without_effect_is_checked_again_until_its_negative_verdict(clock):
    ask = WRITES["move"].set_up(clock)
    clock.remote.fault("PATCH", "/v1/convai/*", "reset")
    op = ask("key")
    delays = []
    while op.state == State.SENT:
        delays.append(due_in(op))
        clock.passes((op.settle_at - timezone.now()).total_seconds() + 0.01)
        settle_due()
        op.refresh_from_db()
    assert (delays, op.state) == ([2, 5, 10, 20, 40, 60], State.NOT_APPLIED)
    assert settings.SETTLE_AFTER.total_seconds() == 60


def test_a_request_that_may_be_under_way_is_not_read_back(clock, monkeypatch):
    """Its own process records the outcome. A worker does so only if that process was killed."""
    ask = WRITES["move"].set_up(clock)
    delays_when_recorded = []
    monkeypatch.setattr(outcome, "record_call", lambda op, _: delays_when_recorded.append(due_in(op)))
    ask("key")
    assert delays_when_recorded == [1.5 * settings.ELEVENLABS_WRITE_DEADLINE + 2]


def test_where_the_remote_cannot_be_read_the_rest_of_a_round_waits(clock):
    asks = [WRITES["update"].set_up(clock) for _ in range(3)]
    clock.remote.fault("PATCH", "/v1/convai/*", "reset", times=3)
    ops = [ask(f"key {at}") for at, ask in enumerate(asks)]
    agent(clock, "Bystander")
    clock.passes(3)
    clock.remote.fault("GET", "/v1/convai/agents/*", "status", status=401, times=1)
    since = clock.remote.call_report()["last_id"]
    assert settle_due() == 0
    assert len(clock.remote.calls(since=since, method="GET")) == 1
    assert settle_due() == 0
    assert len(clock.remote.calls(since=since, method="GET")) == 3, "the next round begins with the other operations"
    assert {due_in(op) for op in ops} == {5}


def test_an_object_that_cannot_be_read_does_not_block_the_others(clock):
    asks = [WRITES["update"].set_up(clock) for _ in range(2)]
    clock.remote.fault("PATCH", "/v1/convai/*", "reset", when="after", times=2)
    bad, good = (ask(f"key {at}") for at, ask in enumerate(asks))
    clock.remote.console("overlay", id=bad.object_id, set={"name": 7})
    clock.passes(2)
    assert settle_due() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (State.SENT, State.DONE)


def test_a_fault_of_ours_in_a_check_leaves_nothing_locked(clock, monkeypatch):
    ask = WRITES["move"].set_up(clock)
    monkeypatch.setattr(AssignNumber, "precheck", lambda *_: {}["missing"])
    with pytest.raises(KeyError):
        ask("key")
    op = Operation.objects.get()
    assert (op.state, op.sent_at) == (State.NOT_SENT, None)
    assert "by an error of this app" in op.message
