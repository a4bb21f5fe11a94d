"""Limits the duration of each SQL statement of a web process.

Workers, migrations and commands have none: `wsgi.py` is what only a web process imports, and it calls `install`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# SQLite asks each so many steps of a statement whether to go on: some times in a millisecond. So no statement that is
# shorter, such as those of the journal and a COMMIT, is ever interrupted. A function of ours in a statement is not
# either, while it runs: that is why no page lets anybody choose a regular expression (`readonly.StrictChangeList`).
STEPS = 20_000
QUERY_CANCELED = "57014"  # PostgreSQL


def install() -> None:
    """For every connection that is opened from now on."""
    if settings.WEB_STATEMENT_TIMEOUT > 0:
        connection_created.connect(_limit, dispatch_uid="statement timeout")


def uninstall() -> None:
    connection_created.disconnect(dispatch_uid="statement timeout")


def took_too_long(error: BaseException) -> bool:
    """Whether the database gave up a statement because of its limit."""
    cause = error.__cause__
    return isinstance(error, Error) and (
        getattr(cause, "sqlstate", None) == QUERY_CANCELED
        or getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    )


@contextmanager
def longer() -> Iterator[None]:
    """For a file that somebody takes away: it may search all of the history. Does nothing where there is no limit."""
    connection = connections[DEFAULT_DB_ALIAS]
    usual: float | None = connection.__dict__.get("statement_seconds")
    if usual is None:
        yield
        return
    _set(connection, settings.WEB_EXPORT_STATEMENT_TIMEOUT)
    try:
        yield
    finally:
        if connection.connection is not None:  # else the next one begins with the usual limit
            _set(connection, usual)


class _Stopwatch:
    """Of one SQLite connection: an execute wrapper that starts it, and the question whether its time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = float("inf")

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._ends = time.monotonic() + self.seconds
        return execute(sql, params, many, context)

    def is_over(self) -> bool:
        return time.monotonic() > self._ends


def _limit(connection: BaseDatabaseWrapper, **more: Any) -> None:
    _set(connection, settings.WEB_STATEMENT_TIMEOUT)


def _set(connection: BaseDatabaseWrapper, seconds: float) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(round(seconds * 1000))])
    else:
        _remove_stopwatch(connection)
        stopwatch = _Stopwatch(seconds)
        connection.execute_wrappers.insert(0, stopwatch)  # `execute_wrapper` takes the last one off at its end
        connection.connection.set_progress_handler(stopwatch.is_over, STEPS)
    connection.__dict__["statement_seconds"] = seconds


def _remove_stopwatch(connection: BaseDatabaseWrapper) -> None:
    """Of the connection that was there before: the wrappers outlive it."""
    kept = [one for one in connection.execute_wrappers if not isinstance(one, _Stopwatch)]
    connection.execute_wrappers[:] = kept
