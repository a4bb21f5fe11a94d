from collections.abc import Iterator

import pytest

from controlplane.elevenlabs import transport
from tests.operations.clock import Clock, started
from tests.sandbox_process import Sandbox


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a delay."""
    monkeypatch.setattr(transport.random, "uniform", lambda *_: 0.0)


@pytest.fixture
def clock(remote: Sandbox) -> Iterator[Clock]:
    with started(remote) as traveller:
        yield Clock(remote, traveller)
