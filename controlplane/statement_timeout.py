"""Limits the duration of each SQL statement of a web process.

Workers, migrations and commands have no limit: only a web process imports `wsgi.py`, which calls `install`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# SQLite calls the progress handler every so many steps of a statement: a few times per millisecond. So shorter
# statements, such as those of the journal and a COMMIT, are never interrupted. A Python function in a statement is not
# interrupted either while it runs: that is why no page accepts a regular expression
# (`readonly_admin.StrictChangeList`).
STEPS = 20_000
QUERY_CANCELED = "57014"  # PostgreSQL


def install() -> None:
    """For every connection opened from now on."""
    if settings.WEB_STATEMENT_TIMEOUT > 0:
        connection_created.connect(_limit, dispatch_uid="statement timeout")


def uninstall() -> None:
    connection_created.disconnect(dispatch_uid="statement timeout")


def took_too_long(error: BaseException) -> bool:
    """Whether the database aborted a statement because of its time limit."""
    cause = error.__cause__
    return isinstance(error, Error) and (
        getattr(cause, "sqlstate", None) == QUERY_CANCELED
        or getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    )


@contextmanager
def extended_timeout() -> Iterator[None]:
    """For a download, which may search all of the history. Does nothing if there is no limit."""
    connection = connections[DEFAULT_DB_ALIAS]
    usual: float | None = connection.__dict__.get("statement_seconds")
    if usual is None:
        yield
        return
    _set(connection, settings.WEB_EXPORT_STATEMENT_TIMEOUT)
    try:
        yield
    finally:
        if connection.connection is not None:  # otherwise the next connection starts with the usual limit
            _set(connection, usual)


class _Stopwatch:
    """The timer of one SQLite connection: an execute wrapper that starts it, and a check whether its time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = float("inf")

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._deadline = time.monotonic() + self.seconds
        return execute(sql, params, many, context)

    def is_over(self) -> bool:
        return time.monotonic() > self._deadline


def _limit(connection: BaseDatabaseWrapper, **more: Any) -> None:
    _set(connection, settings.WEB_STATEMENT_TIMEOUT)


def _set(connection: BaseDatabaseWrapper, seconds: float) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(round(seconds * 1000))])
    else:
        _remove_stopwatch(connection)
        stopwatch = _Stopwatch(seconds)
        connection.execute_wrappers.insert(0, stopwatch)  # `execute_wrapper` removes the last one when it exits
        connection.connection.set_progress_handler(stopwatch.is_over, STEPS)
    connection.__dict__["statement_seconds"] = seconds


def _remove_stopwatch(connection: BaseDatabaseWrapper) -> None:
    """Removes the stopwatch of an earlier connection: the wrappers outlive it."""
    kept = [one for one in connection.execute_wrappers if not isinstance(one, _Stopwatch)]
    connection.execute_wrappers[:] = kept
