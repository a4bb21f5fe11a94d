"""The Celery application. The configuration is Django's `CELERY_*` settings."""

import os
import signal
from typing import Any

from celery import Celery
from celery.beat import Service
from celery.signals import beat_init

from controlplane import folder_broker, redis_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

folder_broker.use()
redis_broker.use()
app = Celery("controlplane")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@beat_init.connect
def end_beat_between_two_ticks(sender: Service, **kwargs: Any) -> None:
    """Celery's own handler closes the schedule's file and raises SystemExit wherever the signal arrives. In the middle
    of a message to the broker that exception is lost, and beat fails at its closed file. It wakes up every second."""

    def stop(*args: Any) -> None:
        sender.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
