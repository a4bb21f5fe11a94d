"""Two requests at once, clients of both kinds, and waits that only advance the clock."""

from collections.abc import Callable, Iterator
from threading import Thread

import pytest
from django.db import connection

from controlplane.elevenlabs import ElevenLabs
from controlplane.elevenlabs.transport import Transport
from controlplane.traffic.limiter import ConcurrencyLimiter
from controlplane.traffic.locks import locks
from controlplane.traffic.models import Remote
from controlplane.traffic.shared import SharedTraffic
from tests.operations.clock import Clock, started
from tests.sandbox_process import Sandbox


@pytest.fixture(autouse=True)
def real_traffic(settings) -> None:
    settings.ELEVENLABS_TRAFFIC = "controlplane.traffic.shared.SharedTraffic"
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


@pytest.fixture
def clock(remote: Sandbox) -> Iterator[Clock]:
    with started(remote) as traveller:
        yield Clock(remote, traveller)


@pytest.fixture
def client_of(clock: Clock) -> Callable[..., ElevenLabs]:
    """Like `connect`, but waits between retries advance the clock instead. `client.waits` lists them."""

    def make(*, urgent: bool, patience: float = 45.0) -> ElevenLabs:
        remote = clock.remote
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock.passes(seconds)

        traffic = SharedTraffic(remote.url, remote.key)
        client = ElevenLabs.with_transport(
            Transport(remote.url, remote.key, patience=patience, traffic=traffic, urgent=urgent, sleep=sleep)
        )
        client.waits = waits  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def gate(remote: Sandbox, settings) -> ConcurrencyLimiter:
    """The limiter that every client of this test uses."""
    return ConcurrencyLimiter(locks(), Remote.of_settings().key_mark, settings.ELEVENLABS_MAX_CONCURRENCY)


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], object]], Thread]]:
    """Runs a function in a thread, which closes its database connection and is joined at the end."""
    threads: list[Thread] = []

    def start(function: Callable[[], object]) -> Thread:
        def run() -> None:
            try:
                function()
            finally:
                connection.close()

        threads.append(Thread(target=run))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
