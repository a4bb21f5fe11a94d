"""Two beat processes send every message twice: one sync runs in each interval, and nothing is done twice."""

from itertools import pairwise

import pytest

from controlplane.mirror.models import SyncRun
from controlplane.mirror.runs import EARLY_SHARE
from tests.operations.consistency_checks import mirror_differs
from tests.workers.process_harness import ProcessHarness
from tests.workers.waiting import until

pytestmark = pytest.mark.process
INTERVAL = 2  # seconds
RUNS = 4


def test_one_sync_runs_in_each_interval(harness: ProcessHarness, tmp_path):
    harness.remote.reset(agents=2, numbers=5)
    harness.environment |= {"SYNC_INTERVAL_SECONDS": str(INTERVAL)}
    harness.worker()
    beats = [harness.beat("--schedule", str(tmp_path / f"schedule-{at}"), "--loglevel", "INFO") for at in range(2)]
    for beat in beats:
        beat.wait_for("Sending due task sync")

    until(lambda: SyncRun.objects.filter(state=SyncRun.State.COMPLETE).count() >= RUNS, f"{RUNS} runs")

    starts = list(SyncRun.objects.order_by("started_at").values_list("started_at", flat=True))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
    assert min(gaps) >= EARLY_SHARE * INTERVAL, gaps
    for beat in beats:
        assert beat.output.count("Sending due task sync") >= RUNS / 2, "both sent messages all the time"
    assert mirror_differs(harness.remote) == []
