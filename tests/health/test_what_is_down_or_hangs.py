"""Real processes with a database that is down and a Redis that is killed or hangs: they still respond in time."""

import socket
import time

import pytest

from controlplane.broker import TIMEOUT_S
from controlplane.health import heartbeats
from controlplane.mirror.models import SyncRun
from tests.running import free_port
from tests.workers.process_harness import ProcessHarness, Web
from tests.workers.redis_server import RedisServer
from tests.workers.waiting import until

pytestmark = pytest.mark.process
DOWN = {
    "sqlite": lambda: "sqlite:////nowhere/at/all.sqlite3",
    "postgres": lambda: f"postgres://postgres@127.0.0.1:{free_port()}/nothing",
    "not migrated": lambda: "sqlite://:memory:",
}


def bad(web: Web) -> set[str]:
    answer = web.get("/readyz")
    assert answer.status_code == 503
    return {name for name, check in answer.json()["checks"].items() if check["state"] == "bad"}


@pytest.mark.parametrize(
    ("harness", "database"),
    [
        pytest.param("filesystem", "sqlite", marks=pytest.mark.smoke),
        ("redis", "postgres"),
        ("redis", "not migrated"),
        pytest.param("redis", "sqlite", marks=pytest.mark.slow),
    ],
    indirect=["harness"],
)
def test_a_database_that_is_down_is_an_answer_and_no_error_page(database, harness: ProcessHarness):
    web = harness.web(DATABASE_URL=DOWN[database]())
    assert bad(web) == {"database", "last_complete_sync", "worker", "beat"}
    assert web.get("/healthz").text == "ok"


def test_a_database_that_accepts_connections_without_answering_is_down_too(redis_harness: ProcessHarness):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        web = redis_harness.web(DATABASE_URL=f"postgres://postgres@127.0.0.1:{silent.getsockname()[1]}/nothing")
        assert web.get("/healthz").text == "ok"
        began = time.monotonic()
        assert "database" in bad(web)
        assert time.monotonic() - began < 2 * 5  # the connection timeout is 5 s; the system's own is minutes


@pytest.mark.parametrize("fault", ["hang", "kill"])
def test_a_broker_that_does_not_answer_costs_a_second_at_most(
    fault, redis_harness: ProcessHarness, redis_server: RedisServer
):
    SyncRun.objects.create(state=SyncRun.State.COMPLETE)
    for name in ("worker", "beat"):
        heartbeats.record_heartbeat(name)
    redis_harness.environment["SYNC_INTERVAL_SECONDS"] = "60"
    web = redis_harness.web()
    assert web.get("/readyz").json()["ready"]
    getattr(redis_server, fault)()
    for _ in range(3):
        began = time.monotonic()
        assert bad(web) == {"broker"}
        assert time.monotonic() - began < 8 * TIMEOUT_S  # 40 s without a timeout; the limit allows for a busy machine
    assert web.get("/healthz").text == "ok"
    if fault == "hang":
        redis_server.go_on()
        until(lambda: web.get("/readyz").status_code == 200, "all is well again")


def test_worker_and_beat_live_on_without_a_database(harness: ProcessHarness):
    down = DOWN["sqlite"]()
    hurry = {"HEARTBEAT_STALE_AFTER_SECONDS": "6", "DATABASE_URL": down}
    for name, process in (("worker", harness.worker(**hurry)), ("beat", harness.beat(**hurry))):
        line = f"The database did not take the heartbeat of the {name} (OperationalError)."
        process.wait_for(line)
        until(lambda process=process, line=line: process.output.count(line) > 1, "it tries again")
        assert process.process.poll() is None
