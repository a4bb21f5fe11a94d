"""Checks whether the broker is up, within one second.

Workers and beat keep Celery's own connections, which wait for a broker that is down and try again.
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

TIMEOUT_S = 1.0  # seconds, whatever it is that hangs: the name of the host, the connection, the answer
STEP_TIMEOUT_S = 0.4  # seconds for one step on Redis, so that most troubles are known by their own error
CONNECTION_ERRORS = (
    OperationalError,
    OSError,
    RedisError,
)  # what is raised here; running out of time is an OSError too
T = TypeVar("T")


def with_timeout(ask: Callable[[], T]) -> T:
    """What it returns or raises, or `TimeoutError`; it may then still come to its end, late and unheard."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            answer.set_exception(error)

    threading.Thread(target=run, name="broker", daemon=True).start()
    return answer.result(TIMEOUT_S)


def connection() -> Connection:
    patience: dict[str, Any] = {
        "max_retries": 0,
        "socket_timeout": STEP_TIMEOUT_S,
        "socket_connect_timeout": STEP_TIMEOUT_S,
    }
    return current_app.connection_for_write(transport_options=patience)


def check() -> None:
    """Would it take a message now? Returns, or raises what is wrong."""
    with_timeout(_write_a_file if settings.CELERY_BROKER_URL.startswith("filesystem") else _ping)


def _write_a_file() -> None:
    """Unnamed and gone at once: no worker sees it. Finds a missing folder, a full disk, a read-only one."""
    for folder in ("messages", "control"):
        with tempfile.TemporaryFile(dir=settings.BROKER_DIR / folder) as file:
            file.write(b"?")
            file.flush()


def _ping() -> None:
    with connection() as broker:
        broker.ensure_connection(max_retries=0)  # it opens a channel, and a channel pings
