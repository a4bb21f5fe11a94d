"""In a queue, requests that a user waits for are sent before background requests."""

import pytest

from controlplane.elevenlabs import connect
from controlplane.traffic.limiter import ConcurrencyLimiter
from tests import number_writes as services
from tests.operations.clock import Clock
from tests.operations.writes import agent, number
from tests.processes import children
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

SYNC = """
from numbers.sync import sync_all
while True:
    sync_all()
"""


@pytest.fixture
def one_at_a_time(settings) -> None:
    settings.ELEVENLABS_MAX_CONCURRENCY = 1


@pytest.fixture
def one_slot(one_at_a_time, gate: ConcurrencyLimiter) -> ConcurrencyLimiter:
    return gate


def test_a_free_slot_is_for_the_one_who_waits(one_slot, in_thread):
    taken = []
    waiting = one_slot._locks.share(one_slot._queue)  # like an urgent request that found no slot
    assert waiting is not None
    in_thread(lambda: taken.append(one_slot.at_once(urgent=False))).join(20)
    assert taken == [None]
    urgent = one_slot.at_once(urgent=True)
    assert urgent is not None
    urgent()
    waiting()
    rest = one_slot.at_once(urgent=False)
    assert rest is not None
    rest()


def test_who_waits_is_known_as_long_as_it_waits(one_slot, in_thread):
    def is_anyone_waiting() -> bool:
        alone = one_slot._locks.first_free([one_slot._queue])
        if alone is not None:
            alone()
        return alone is None

    with one_slot.slot(urgent=True, seconds=1):
        assert not is_anyone_waiting()
        got = []

        def wait() -> None:
            with one_slot.slot(urgent=True, seconds=60) as waited:
                got.append(waited)

        thread = in_thread(wait)
        while not is_anyone_waiting():
            assert thread.is_alive()
        assert got == []
    thread.join(60)
    assert got == [True]
    assert not is_anyone_waiting()


def test_the_urgent_one_overtakes_all_who_came_before(remote: Sandbox, one_slot, in_thread):
    """The slot is held until all of them wait. The number of their attempts shows how many are waiting."""
    looks: list[bool] = []
    take = ConcurrencyLimiter.at_once
    with one_slot.slot(urgent=True, seconds=1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ConcurrencyLimiter, "at_once", lambda self, **how: [looks.append(how["urgent"]), take(self, **how)][1]
        )
        threads = [in_thread(lambda: connect().list_agents()) for _ in range(4)]
        while looks.count(False) < 40:
            assert all(thread.is_alive() for thread in threads)
        threads.append(in_thread(lambda: connect(urgent=True).list_llms()))
        while looks.count(True) < 5:
            assert threads[-1].is_alive()
    for thread in threads:
        thread.join(60)
    paths = [call["path"] for call in remote.calls()]
    assert paths == ["/v1/convai/llm/list", *["/v1/convai/agents"] * 4]


@pytest.mark.process
def test_staff_work_on_while_workers_keep_the_line_busy(clock: Clock, one_at_a_time):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    clock.remote.settings(latency_ms=20)
    with children(clock.remote, [SYNC] * 2, at_once=1) as workers:
        clock.remote.wait_for_call("GET", "/v1/user", since=clock.remote.call_report()["last_id"])
        for at in range(6):
            ends = (to, old)[at % 2]
            op = services.assign(line, ends, shown=line.bound_to, key=f"swap-{at}", actor=None)
            assert op.state == "done", op.message
            line.refresh_from_db()
        assert all(worker.poll() is None for worker in workers)
    assert clock.remote.call_report()["peak_in_flight"] == 1
