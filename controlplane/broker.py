"""Checks whether the broker is up, within one second.

Workers and beat use Celery's own connections, which wait and retry if the broker is down.
"""

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from celery import current_app
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from redis import RedisError

TIMEOUT_S = 1.0  # seconds in total, whatever hangs: name resolution, the connection, the response
STEP_TIMEOUT_S = 0.4  # seconds for one step on Redis, so that most failures raise their own error
CONNECTION_ERRORS = (
    OperationalError,
    OSError,
    RedisError,
)  # errors raised here; TimeoutError is an OSError too
T = TypeVar("T")


def with_timeout(call: Callable[[], T]) -> T:
    """The result or exception of `call`, or `TimeoutError`. The call may then still finish in its thread, unnoticed."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            result.set_exception(error)

    threading.Thread(target=run, name="broker", daemon=True).start()
    return result.result(TIMEOUT_S)


def connection() -> Connection:
    options: dict[str, Any] = {
        "max_retries": 0,
        "socket_timeout": STEP_TIMEOUT_S,
        "socket_connect_timeout": STEP_TIMEOUT_S,
    }
    return current_app.connection_for_write(transport_options=options)


def check() -> None:
    """Whether the broker would accept a message now. Raises one of `CONNECTION_ERRORS` if not."""
    with_timeout(_write_a_file if settings.CELERY_BROKER_URL.startswith("filesystem") else _ping)


def _write_a_file() -> None:
    """Writes an unnamed temporary file, which no worker sees. Detects a missing, full or read-only folder."""
    for folder in ("messages", "control"):
        with tempfile.TemporaryFile(dir=settings.BROKER_DIR / folder) as file:
            file.write(b"?")
            file.flush()


def _ping() -> None:
    with connection() as broker:
        broker.ensure_connection(max_retries=0)  # opens a channel, which sends a ping
