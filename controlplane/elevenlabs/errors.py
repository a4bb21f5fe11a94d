"""Exceptions of the client, and what each means for a write.

`str(error)` is one line for staff: it never contains a secret, a prompt, a whole body or the name of an exception.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar


class Outcome(StrEnum):
    """What a failure means for a write. Only REFUSED and NOT_SENT guarantee that nothing was changed."""

    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class ElevenLabsError(Exception):
    """The base class of all failures of a call. Instances of the class itself are refusals without a class of their own
    (402, plan limits)."""

    reason_code: ClassVar[str] = "refused"
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
        if outcome is not None:  # an error detected before anything is sent
            self.outcome = outcome
        self.status = status
        self.codes = tuple(codes)  # most specific first: `status`, `code`, `type` of the body
        self.param = param
        self.trace_id = trace_id
        self.retry_after = retry_after  # seconds, from the remote
        self.fields = list(fields)  # of a 422: (field path, message)
        self.detail = ""  # ElevenLabs' own message, scrubbed

    @property
    def code(self) -> str:
        return self.codes[0] if self.codes else ""


class NotFound(ElevenLabsError):
    """A 404 about an object. `missing` is the id that the remote named, if any.

    A write may get this for another object than the one in its path: when a number is assigned to a deleted agent.
    """

    reason_code: ClassVar[str] = "not_found"
    missing: str = ""


class NoSuchRoute(ElevenLabsError):
    """A 404 about the path itself. It says nothing about any object."""

    reason_code: ClassVar[str] = "no_such_route"


class KeyRefused(ElevenLabsError):
    """The API key is wrong or expired; or it lacks `permission` and is valid otherwise."""

    reason_code: ClassVar[str] = "key_refused"
    permission: str = ""

    @property
    def is_missing_permission(self) -> bool:
        return bool(self.permission) or "missing_permissions" in self.codes


class Forbidden(ElevenLabsError):
    """A 403 not known to be about the key: access to this object or action is denied."""

    reason_code: ClassVar[str] = "forbidden"


class Invalid(ElevenLabsError):
    """A value was refused (400, 422)."""

    reason_code: ClassVar[str] = "invalid"


class Limited(ElevenLabsError):
    """A 429. `kind` is `too_many_at_once`, `slow_down` or `busy`. With the outcome NOT_SENT, our own rate limiting."""

    reason_code: ClassVar[str] = "rate_limited"
    retriable = True
    kind: str = "slow_down"


class NotSent(ElevenLabsError):
    """The request was not sent: nothing was changed."""

    reason_code: ClassVar[str] = "not_sent"
    outcome = Outcome.NOT_SENT


class NoConnection(NotSent):
    """No connection could be made."""

    reason_code: ClassVar[str] = "no_connection"
    retriable = True


class Unclear(ElevenLabsError):
    """The request may have been carried out: timeout, incomplete response, remote error, or a nonsensical response."""

    reason_code: ClassVar[str] = "unclear"
    outcome = Outcome.UNKNOWN


class Conflict(Unclear):
    """A 409: the existing object may be the result of this very request."""

    reason_code: ClassVar[str] = "conflict"


class TimedOut(Unclear):
    """No complete response within the deadline."""

    reason_code: ClassVar[str] = "timed_out"


class ConnectionLost(Unclear):
    """The connection ended before the response did."""

    reason_code: ClassVar[str] = "connection_lost"
    retriable = True


class Unavailable(Unclear):
    """502, 503 or 504."""

    reason_code: ClassVar[str] = "unavailable"
    retriable = True


class BadShape(Unclear):
    """A response in an unexpected format."""

    reason_code: ClassVar[str] = "bad_shape"
