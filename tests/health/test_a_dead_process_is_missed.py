"""Worker and beat as shipped, on each broker: `/readyz` reports which of them is dead, and when it has recovered."""

from typing import Any

import pytest

from tests.workers.process_harness import ProcessHarness, Web
from tests.workers.waiting import until

pytestmark = pytest.mark.process
SOON = {"HEARTBEAT_STALE_AFTER_SECONDS": "6", "SYNC_INTERVAL_SECONDS": "4"}


def bad(web: Web) -> tuple[int, set[str]]:
    answer = web.get("/readyz")
    body: dict[str, Any] = answer.json()
    assert body["ready"] == (answer.status_code == 200)
    return answer.status_code, {name for name, check in body["checks"].items() if check["state"] == "bad"}


def test_a_dead_worker_and_a_dead_beat_are_missed_and_their_return_is_seen(harness: ProcessHarness):
    harness.environment |= SOON
    web = harness.web()
    assert bad(web) == (503, {"last_complete_sync", "worker", "beat"})
    worker, beat = harness.worker(), harness.beat()
    until(lambda: bad(web) == (200, set()), "all is well")

    worker.kill()
    assert bad(web) == (200, set()), "it is not reported immediately"
    until(lambda: "worker" in bad(web)[1], "the worker is missed")
    status, missed = bad(web)
    assert (status, "beat" in missed) == (503, False)

    beat.kill()
    harness.worker()
    until(lambda: {"worker", "beat"} & bad(web)[1] == {"beat"}, "the worker is back, and beat is missed")
    harness.beat()
    until(lambda: bad(web) == (200, set()), "all is well again")
