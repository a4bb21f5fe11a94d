"""Exceptions of the client, and what each means for a write.

`str(error)` is one line for staff: it never holds a secret, a prompt, a whole body or the name of an exception.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar


class Outcome(StrEnum):
    """What a failure says about a write. Only REFUSED and NOT_SENT promise that nothing was changed."""

    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class ElevenLabsError(Exception):
    """The root of all failures of a call; its own instances are refusals that need no class (402, plan limits)."""

    outcome: Outcome = Outcome.REFUSED
    retriable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        codes: Iterable[str] = (),
        param: str = "",
        trace_id: str = "",
        retry_after: float | None = None,
        fields: Iterable[tuple[str, str]] = (),
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        if outcome is not None:  # an error that is known before anything is sent
            self.outcome = outcome
        self.status = status
        self.codes = tuple(codes)  # the most telling first: `status`, `code`, `type` of the body
        self.param = param
        self.trace_id = trace_id
        self.retry_after = retry_after  # seconds, as the remote said
        self.fields = list(fields)  # of a 422: where, and what is wrong there

    @property
    def code(self) -> str:
        return self.codes[0] if self.codes else ""


class NotFound(ElevenLabsError):
    """A 404 about an object. `missing` is the id that the remote named, where it named one.

    A write may get this for another object than the one in its path: a number is sent to an agent that is gone.
    """

    missing: str = ""


class NoSuchRoute(ElevenLabsError):
    """A 404 about the path itself. It says nothing about any object."""


class KeyRefused(ElevenLabsError):
    """The API key is wrong or expired; or it lacks `permission`, and is good for everything else."""

    permission: str = ""

    @property
    def lacks_a_permission(self) -> bool:
        return bool(self.permission) or "missing_permissions" in self.codes


class Forbidden(ElevenLabsError):
    """A 403 that is not known to be about the key: this object or this action is closed to it."""


class Invalid(ElevenLabsError):
    """A value was refused (400, 422)."""


class Limited(ElevenLabsError):
    """A 429. `kind` is `too_many_at_once`, `slow_down` or `busy`. Or, with the outcome NOT_SENT, our own restraint."""

    retriable = True
    kind: str = "slow_down"


class NotSent(ElevenLabsError):
    """The request never left: nothing was changed."""

    outcome = Outcome.NOT_SENT


class NoConnection(NotSent):
    """No connection could be made."""

    retriable = True


class Unclear(ElevenLabsError):
    """The request may have been carried out: timed out, cut off, an error of the remote's own, a senseless answer."""

    outcome = Outcome.UNKNOWN


class Conflict(Unclear):
    """A 409: what stands there already may be the work of this very request."""


class TimedOut(Unclear):
    """No whole answer within the deadline."""


class ConnectionLost(Unclear):
    """The connection ended before the answer did."""

    retriable = True


class Unavailable(Unclear):
    """502, 503 or 504."""

    retriable = True


class BadShape(Unclear):
    """An answer that is not what was asked for."""
