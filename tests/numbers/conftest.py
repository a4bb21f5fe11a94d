from collections.abc import Iterator

import pytest

from tests.operations.clock import Clock, started
from tests.sandbox_process import Sandbox


@pytest.fixture
def clock(remote: Sandbox) -> Iterator[Clock]:
    with started(remote) as traveller:
        yield Clock(remote, traveller)
