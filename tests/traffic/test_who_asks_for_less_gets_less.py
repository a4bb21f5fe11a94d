"""429: every process keeps the pause that ElevenLabs requests, for background requests; those of staff continue."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from controlplane.elevenlabs import Limited, Outcome, connect, transport
from controlplane.traffic.models import Circuit
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import Clock
from tests.operations.writes import agent, number
from tests.processes import children, outcome

pytestmark = pytest.mark.django_db

SLOW_DOWN = {"detail": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Slow down"}}
BUSY = {"detail": {"type": "rate_limit_error", "code": "system_busy", "message": "Busy"}}
OTHER = """
from controlplane.elevenlabs import ElevenLabsError, connect
for urgent in (False, True):
    try:
        connect(patience=5, urgent=urgent).list_agents()
        print("sent")
    except ElevenLabsError as error:
        print(f"{type(error).__name__}-{error.outcome.value}")
"""


def limit(clock: Clock, path: str = "/v1/convai/agents", **more) -> None:
    clock.remote.fault("GET", path, "status", **{"status": 429, "body": SLOW_DOWN, **more})


@pytest.fixture
def one_try(monkeypatch) -> None:
    """Calls are not retried, so that they can be counted."""
    monkeypatch.setattr(transport, "MAX_TRIES", 1)


def rests() -> float:
    row = Circuit.objects.get()
    return row.rests


@pytest.mark.parametrize("body", [SLOW_DOWN, BUSY])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"retry-after-ms": "20500"}, 20.5),
        ({"retry-after": "DATE"}, 20),
        ({"retry-after": "900"}, 60),
    ],
)
def test_the_pause_is_as_long_as_requested(body, headers, seconds, clock: Clock, client_of):
    if headers.get("retry-after") == "DATE":
        headers = {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)}
    limit(clock, body=body, headers=headers)
    with pytest.raises(Limited):
        client_of(urgent=False, patience=8).list_agents()
    assert seconds - 4 < rests() <= seconds
    assert len(clock.remote.calls()) == 1


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_it_holds_for_other_processes_but_not_for_staff(clock: Clock, client_of):
    limit(clock, headers={"retry-after": "50"})
    with pytest.raises(Limited):
        client_of(urgent=False).list_agents()
    with children(clock.remote, [OTHER], at_once=2) as (child,):
        assert outcome(child) == ["Limited-not_sent", "sent"]


def test_what_can_wait_waits_and_goes_on_after_it(clock: Clock, client_of):
    limit(clock, headers={"retry-after": "20"})
    with pytest.raises(Limited):
        client_of(urgent=True, patience=8).list_agents()
    since, began = clock.remote.call_report()["last_id"], timezone.now()
    waiting = client_of(urgent=False)
    assert waiting.list_agents().rows == []
    assert waiting.last_call.tries == 1
    assert len(clock.remote.calls(since)) == 1
    assert 15 < (timezone.now() - began).total_seconds() < 45
    assert rests() == 0


def test_a_sync_that_may_not_continue_ends_early_with_the_reason(clock: Clock, client_of):
    limit(clock, "*", headers={"retry-after": "60"})
    with pytest.raises(Limited):
        client_of(urgent=True, patience=8).list_agents()
    since = clock.remote.call_report()["last_id"]
    run = sync_all(client=client_of(urgent=False))
    assert run is not None
    assert run.state == run.State.PARTIAL
    assert "has asked for fewer requests, so nothing was sent" in run.problem
    assert clock.remote.calls(since) == []


def test_too_many_at_once_delays_no_one_else(clock: Clock, client_of):
    clock.remote.fault("GET", "/v1/convai/agents", "status", status=429)
    client = client_of(urgent=False)
    assert client.list_agents().rows == []
    assert len(client.waits) == 1
    assert client.waits[0] < 1
    assert Circuit.objects.count() == 0


def test_staff_wait_within_their_patience_and_then_learn_when_to_retry(clock: Clock, client_of):
    limit(clock, headers={"retry-after": "5"})
    client = client_of(urgent=True, patience=8)
    assert client.list_agents().rows == []
    assert 5 <= client.waits[0] <= 5.5
    limit(clock, headers={"retry-after": "30"})
    at = datetime.now(UTC) + timedelta(seconds=30)
    with pytest.raises(Limited, match=r"Try again at \d\d:\d\d:\d\d UTC\.$") as caught:
        client.list_agents()
    assert str(caught.value)[-13:-5] in {f"{at + timedelta(seconds=late):%H:%M:%S}" for late in range(20)}
    assert len(client.waits) == 1


def test_without_a_time_each_pause_is_twice_the_one_before(clock: Clock, client_of, one_try):
    limit(clock, times=10)
    pauses = []
    for _ in range(10):
        with pytest.raises(Limited):
            client_of(urgent=False).list_agents()
        pauses.append(rests())
        clock.passes(61)
    for step, pause in enumerate(pauses):
        longest = min(1.25 * 2**step, 60)
        assert min(0.75 * 2**step, 48) - 1 < pause <= longest
    for step in (6, 5, 4, 3, 2, 1, 0, 0):  # and each success is one step down
        assert client_of(urgent=False).list_agents().rows == []
        assert Circuit.objects.get().slowed == step


@pytest.mark.parametrize(("minutes", "fewest", "most"), [(2, 6, 12), pytest.param(10, 8, 40, marks=pytest.mark.slow)])
def test_a_storm_costs_few_calls_and_staff_get_through(minutes, fewest, most, clock: Clock, client_of, one_try):
    """200 times "slow down" for all lists, and a worker that wants to list every three seconds."""
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    since = clock.remote.call_report()["last_id"]
    limit(clock, times=200)
    for at in range(20 * minutes):
        with pytest.raises(Limited):
            client_of(urgent=False, patience=5).list_agents()
        if at % 20 == 10:
            began = datetime.now(UTC)
            op = services.assign(line, (old, to)[at // 20 % 2], shown=line.bound_to, key=f"swap-{at}", actor=None)
            assert op.state == "done", op.message
            assert (datetime.now(UTC) - began).total_seconds() < 5
            line.refresh_from_db()
        clock.passes(3)
    listed = clock.remote.calls(since, "GET", "/v1/convai/agents")
    assert {call["status"] for call in listed} == {429}
    assert fewest <= len(listed) <= most


def test_a_storm_on_everything_is_reported_and_ends_with_it(clock: Clock, client_of):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    since = clock.remote.call_report()["last_id"]
    limit(clock, "*", times=200, headers={"retry-after": "30"})
    op = services.assign(line, to, shown=line.bound_to, key="swap", actor=None)
    assert op.state == "not_sent"
    assert "Try again at " in op.message
    assert len(clock.remote.calls(since)) == 1
    clock.remote.clear_faults()
    op = services.assign(line, to, shown=line.bound_to, key="again", actor=None)
    assert op.state == "done", op.message


def test_the_write_itself_is_sent_once_and_refused(clock: Clock):
    made = clock.remote.create_agent()
    since = clock.remote.call_report()["last_id"]
    clock.remote.fault("PATCH", "/v1/convai/agents/*", "status", status=429, body=BUSY, headers={"retry-after": "3"})
    with pytest.raises(Limited, match="busy") as caught:
        connect(urgent=True).update_agent(made, {"name": "New"})
    assert caught.value.outcome is Outcome.REFUSED
    assert len(clock.remote.calls(since)) == 1
