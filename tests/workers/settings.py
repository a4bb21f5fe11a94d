"""The tests' settings for processes of their own: the environment tells them their remote, and beat is in a hurry."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import CELERY_BEAT_SCHEDULE, LOGGING

ELEVENLABS_BASE_URL = os.environ["TEST_REMOTE"]
ELEVENLABS_TRAFFIC = "controlplane.traffic.shared.SharedTraffic"
ELEVENLABS_MAX_CONCURRENCY = 2
ELEVENLABS_READ_DEADLINE = 3.0
LOGGING["loggers"]["celery.app.trace"]["level"] = "INFO"  # tests wait for the line that tells that a task has ended

LONGEST = float(os.environ.get("TEST_BEAT_SECONDS", "2"))  # between two messages of one sort
for entry in CELERY_BEAT_SCHEDULE.values():
    every = min(entry["schedule"], LONGEST)
    entry.update(schedule=every, options={"expires": every})
