"""One clock for the tests and the sandbox: advancing it advances both."""

import time

import time_machine

from agents.models import Agent
from controlplane.operations import settle
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.sandbox_process import Sandbox

LONG_ENOUGH = 200  # seconds; every verdict is due by then: 60 s, imports 100 s, abandoned intents 3 min


class Clock:
    """Runs in real time and can be moved forward, so no test has to wait."""

    def __init__(self, remote: Sandbox, traveller: time_machine.Traveller) -> None:
        self.remote = remote
        self.traveller = traveller

    def passes(self, seconds: float) -> None:
        self.traveller.shift(seconds)
        self.remote.advance(seconds)


def started(remote: Sandbox, *, tick: bool = True) -> time_machine.travel:
    """Enter it right after the sandbox was reset. Without `tick`, only the test moves time forward."""
    return time_machine.travel(time.time(), tick=tick)


def recover(clock: Clock, *, syncs: int = 1) -> None:
    """Do what the workers do in the minutes after a fault. A row that one sync misses is confirmed by the next one."""
    clock.passes(LONG_ENOUGH)
    settle.settle_due()
    for _ in range(syncs):
        complete_sync()
    if any(model.objects.filter(missing_since__isnull=False, gone_at=None).exists() for model in (Agent, PhoneNumber)):
        complete_sync()
    import_polling.poll_due()


def complete_sync() -> None:
    run = sync_all()
    assert run is not None
    assert run.state == run.State.COMPLETE, run.problem
