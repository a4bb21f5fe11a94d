"""The tests' settings for separate processes: the environment sets their remote, and beat has short intervals."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import CELERY_BEAT_SCHEDULE, LOGGING

ELEVENLABS_BASE_URL = os.environ["TEST_REMOTE"]
ELEVENLABS_TRAFFIC = "controlplane.traffic.shared.SharedTraffic"
ELEVENLABS_MAX_CONCURRENCY = 2
ELEVENLABS_READ_DEADLINE = 3.0
LOGGING["loggers"]["celery.app.trace"]["level"] = "INFO"  # tests wait for the line that reports the end of a task

MAX_INTERVAL_S = float(os.environ.get("TEST_BEAT_SECONDS", "2"))  # between two messages of the same kind
for entry in CELERY_BEAT_SCHEDULE.values():
    every = min(entry["schedule"], MAX_INTERVAL_S)
    entry.update(schedule=every, options={"expires": every})
