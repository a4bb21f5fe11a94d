"""Refuses a write that cannot be recorded, with an explanation."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import Error

log = logging.getLogger(__name__)
_sent: ContextVar[bool] = ContextVar("sent", default=False)


class AuditUnavailable(Exception):
    """The database did not store the record that precedes each request, so nothing was sent. The database's message
    goes to the log only, because it may contain values of the row."""

    def __init__(self) -> None:
        super().__init__(
            "Not sent. Your request could not be recorded here, and only recorded requests are sent to ElevenLabs. "
            "Nothing was changed there. Contact the administrator of the database, which may be full, locked or set to "
            "read only; details are in the server's log. Try again once it works. If Activity shows this as “being "
            "checked”, it ends by itself within four minutes without sending anything."
        )


@contextmanager
def audit_required() -> Iterator[None]:
    """Wrap only the writes that precede sending: a database error raised after something was sent must not be reported
    as `AuditUnavailable`."""
    try:
        yield
    except Error as error:
        log.exception("The database did not store the record of a request. Nothing was sent to ElevenLabs.")
        raise AuditUnavailable from error


@contextmanager
def track_sending() -> Iterator[None]:
    """Wrap one request, so that a failure can be reported correctly if something may already have been sent."""
    token = _sent.set(False)
    try:
        yield
    finally:
        _sent.reset(token)


def mark_as_sent() -> None:
    """Call before sending. From here on, no failure may be reported as "nothing was sent"."""
    _sent.set(True)


def may_have_been_sent() -> bool:
    return _sent.get()
