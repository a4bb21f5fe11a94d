"""Heartbeats of workers and beat, stored in the database.

Celery's worker sends one every 2 s, also during long tasks, on both brokers, and with threads and processes alike: on
Redis from the loop that takes tasks, so none while it cannot reach the broker; on a folder from its timer. Beat
publishes every 2 s.
"""

import logging
import os
import socket
import threading
import time
from typing import Any

from celery.signals import beat_embedded_init, beat_init, before_task_publish, heartbeat_sent
from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from controlplane.health.models import Heartbeat

log = logging.getLogger(__name__)

BEATS_PER_TIMEOUT = 6  # writes within the time after which a process counts as lost


def record_heartbeat(name: str) -> None:
    """One row per name, upserted in one statement, so that two workers do not conflict."""
    heartbeat = Heartbeat(name=name, at=Now(), process=f"{socket.gethostname()}, process {os.getpid()}")
    Heartbeat.objects.bulk_create(
        [heartbeat], update_conflicts=True, unique_fields=["name"], update_fields=["at", "process"]
    )


class HeartbeatThread:
    """Writes heartbeats in a separate thread: a database that is down or hangs blocks neither worker nor beat."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sign = threading.Event()
        self._thread: threading.Thread | None = None

    def sign(self, **_: Any) -> None:
        """Receiver of Celery's signals."""
        self._sign.set()
        if self._thread is None or not self._thread.is_alive():  # not alive after a fork: threads are not inherited
            self._thread = threading.Thread(target=self._write_heartbeats, name=f"heartbeat {self.name}", daemon=True)
            self._thread.start()

    def _write_heartbeats(self) -> None:
        while self._sign.wait():
            self._sign.clear()
            try:
                record_heartbeat(self.name)
            except Error as error:
                log.warning("The database did not take the heartbeat of the %s (%s).", self.name, type(error).__name__)
            finally:
                connection.close()  # a child forked in the meantime must not inherit it
            time.sleep(settings.HEARTBEAT_STALE_AFTER.total_seconds() / BEATS_PER_TIMEOUT)


_worker, _beat = HeartbeatThread("worker"), HeartbeatThread("beat")


def connect() -> None:
    heartbeat_sent.connect(_worker.sign, weak=False)
    for started in (beat_init, beat_embedded_init):
        started.connect(_beat_started, weak=False)


def _beat_started(**_: Any) -> None:
    _beat.sign()
    before_task_publish.connect(_beat.sign, weak=False)  # only in beat: web processes publish too
