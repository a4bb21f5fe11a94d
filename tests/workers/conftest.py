from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox
from tests.workers.process_harness import ProcessHarness
from tests.workers.redis_server import RedisServer


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.go_on()
    server.end()


@pytest.fixture(params=[pytest.param("filesystem", marks=pytest.mark.slow), "redis"])
def harness(
    request: pytest.FixtureRequest, transactional_db: None, remote_process: Sandbox, tmp_path: Path
) -> Iterator[ProcessHarness]:
    """On Redis, as in docker-compose.yml. A test for which the folder broker matters uses `on_both_brokers`; all others
    run on it in `make test-all`. Every process ends before the database is emptied."""
    redis = request.getfixturevalue("redis_server") if request.param == "redis" else None
    harness = ProcessHarness(tmp_path, remote_process, redis)
    yield harness
    harness.end()


@pytest.fixture
def redis_harness(
    transactional_db: None, remote_process: Sandbox, tmp_path: Path, redis_server: RedisServer
) -> Iterator[ProcessHarness]:
    harness = ProcessHarness(tmp_path, remote_process, redis_server)
    yield harness
    harness.end()
