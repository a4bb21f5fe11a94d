"""A worker sends heartbeats during long tasks, and two workers share one row."""

import os

import pytest

from controlplane.health import heartbeats
from controlplane.health.models import Heartbeat
from tests.workers.process_harness import ProcessHarness
from tests.workers.waiting import until


@pytest.mark.django_db
def test_one_row_for_each_name_and_the_newest_counts():
    Heartbeat.objects.create(name="worker", at="2026-01-01T00:00:00Z", process="elsewhere, process 7")
    heartbeats.record_heartbeat("worker")
    heartbeats.record_heartbeat("beat")
    worker, beat = Heartbeat.objects.order_by("-name")
    assert worker.process.endswith(f", process {os.getpid()}")
    assert abs((worker.at - beat.at).total_seconds()) < 60


@pytest.mark.process
def test_a_worker_in_the_middle_of_a_long_task_is_heard(harness: ProcessHarness):
    harness.environment["HEARTBEAT_STALE_AFTER_SECONDS"] = "6"
    harness.remote.fault("GET", "/v1/convai/agents", "pause")
    harness.deliver("numbers.tasks.sync")
    harness.worker("--concurrency", "1")
    until(lambda: not harness.remote.waiting_faults(), "the task is under way")
    for _ in range(2):
        seen = Heartbeat.objects.get(name="worker").at
        until(lambda seen=seen: Heartbeat.objects.get(name="worker").at > seen, "a newer heartbeat")
    assert harness.remote.call_report()["in_flight"] >= 1, "and the task is still running"
    harness.remote.clear_faults()
