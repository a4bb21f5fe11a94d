"""Maps HTTP responses and network failures to exceptions."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import requests
from urllib3 import exceptions as urllib3_errors

from . import errors
from .connection import CallDeadline
from .errors import ElevenLabsError
from .scrub import scrub, secret_values, without_cut_end

MAX_MESSAGE_CHARS = 200
MAX_SCANNED_CHARS = 100_000  # characters of a remote text searched for values we sent: an echoed prompt is long
MAX_CLEANED_CHARS = 10_000  # characters of the rest that are scrubbed; only the beginning is shown
_NO_OBJECT = re.compile(r"^(agent|phone number|voice|document)\b.* not found\.?$", re.IGNORECASE)
_KEY_CODES = {
    "authentication_error",
    "invalid_api_key",
    "workspace_access_denied",
    "workspace_not_found",  # the 404 that a call without a key may get
}
_PLAN_CODES = {"quota_exceeded", "subscription_required", "feature_not_available", "insufficient_credits"}
_LIMITS = {
    "concurrent_limit_exceeded": "too_many_at_once",
    "too_many_concurrent_requests": "too_many_at_once",
    "system_busy": "busy",
}
_SLOW_DOWN = {
    "too_many_at_once": "This ElevenLabs workspace has too many requests running at once.",
    "busy": "ElevenLabs is busy.",
    "slow_down": "ElevenLabs asks for fewer requests.",
}
_A_DAY = 24 * 3600  # a time of day must be today or tomorrow


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def trace_id(self) -> str:
        return _word(self.headers.get("x-trace-id"))


def from_failure(failure: Exception, flight: CallDeadline, *, seconds: float) -> ElevenLabsError:
    """The error for a missing or incomplete response. `flight` knows whether the request was sent; if it does not, only
    known causes count as not sent."""
    not_sent = not flight.sent if flight.engaged else _before_sending(failure)
    if not_sent:
        tls = any(isinstance(cause, urllib3_errors.SSLError) for cause in _causes(failure))
        if tls or isinstance(failure, requests.exceptions.SSLError):
            return errors.NotSent("ElevenLabs could not prove that it is ElevenLabs (TLS), so nothing was sent.")
        return errors.NoConnection("No connection to ElevenLabs could be made, so nothing was sent.")
    if flight.timed_out or isinstance(failure, requests.Timeout):
        return errors.TimedOut(f"ElevenLabs did not answer within {seconds:.3g} seconds.")
    lost = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, urllib3_errors.ProtocolError)
    if isinstance(failure, lost):
        return errors.ConnectionLost("The connection ended before ElevenLabs had answered.")
    return errors.Unclear("ElevenLabs' answer could not be read.")


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """requests wraps exceptions of urllib3, which may wrap others."""
    seen: BaseException | None = failure
    for _ in range(5):
        if seen is None:
            return
        yield seen
        inner = getattr(seen, "reason", None) or next((a for a in seen.args if isinstance(a, BaseException)), None)
        seen = inner if isinstance(inner, BaseException) else None


def _before_sending(failure: Exception) -> bool:
    if not isinstance(failure, requests.ConnectionError):
        return False
    known = (
        urllib3_errors.NewConnectionError,
        urllib3_errors.NameResolutionError,
        urllib3_errors.ConnectTimeoutError,
        urllib3_errors.SSLError,
    )
    sure = (requests.exceptions.SSLError, requests.exceptions.ConnectTimeout)
    return isinstance(failure, sure) or any(isinstance(cause, known) for cause in _causes(failure))


def from_reply(reply: Reply, sent: object = None) -> ElevenLabsError:
    """The error for any status other than success. `sent` is the request body: its values are not repeated to staff."""
    found = _read(reply.body, sent)
    kind, text = _classify(reply.status, found)
    retry_after = _retry_after(reply.headers)
    if kind is errors.Limited:
        text += " " + retry_delay(retry_after)
    error = kind(
        _sentence(_cut(text, MAX_MESSAGE_CHARS + 100)),
        status=reply.status,
        codes=found.codes,
        param=found.param,
        trace_id=reply.trace_id() or found.trace_id,
        retry_after=retry_after,
        fields=found.fields,
    )
    error.detail = _sentence(_cut(found.message, MAX_MESSAGE_CHARS)) if found.message else ""
    if isinstance(error, errors.NotFound):
        named = re.search(r"\bid ([A-Za-z0-9_-]{1,64}) not found", found.message)
        error.missing = named[1] if named else ""
    elif isinstance(error, errors.KeyRefused):
        named = re.search(r"missing the permission ([a-z_]{1,64})\b", found.message)
        error.permission = named[1] if named else ""
    elif isinstance(error, errors.Limited):
        error.kind = _limit(found)
    return error


def _classify(status: int, found: "_Found") -> tuple[type[ElevenLabsError], str]:
    known = set(found.codes)
    says = f" ElevenLabs says: {found.message}" if found.message else ""
    if status == 402 or (status in {401, 403} and known & _PLAN_CODES):
        return ElevenLabsError, f"The plan or the credits of this ElevenLabs workspace do not allow this.{says}"
    if status == 401 or (status in {400, 403, 404} and known & _KEY_CODES):
        return errors.KeyRefused, f"ElevenLabs refused the API key.{says}"
    if status == 403:
        return errors.Forbidden, f"ElevenLabs does not allow this.{says}"
    if status == 404 and (any(code.endswith("not_found") for code in known) or _NO_OBJECT.search(found.message)):
        return errors.NotFound, f"ElevenLabs has no such object.{says}"
    if status == 404:
        return errors.NoSuchRoute, "ElevenLabs does not know this kind of request (404 for the path itself)."
    if status in {400, 422}:
        fields = [f"{where}: {what}" if where else what for where, what in found.fields[:3]]
        listed = "; ".join(field.rstrip(" .") for field in fields)
        detail = listed or found.message
        return (
            errors.Invalid,
            f"ElevenLabs refused a value: {detail}" if detail else "ElevenLabs refused a value.",
        )
    if status == 429:
        return errors.Limited, _SLOW_DOWN[_limit(found)]
    if status == 409:
        return errors.Conflict, f"ElevenLabs reports a conflict with what is there already.{says}"
    if status in {502, 503, 504}:
        return errors.Unavailable, f"ElevenLabs is not available at the moment (status {status})."
    if status >= 500:
        return errors.Unclear, f"ElevenLabs had an error of its own (status {status}).{says}"
    return errors.Unclear, f"ElevenLabs gave an unexpected answer (status {status})."


def retry_delay(seconds: float | None) -> str:
    """When to try again, as a sentence. It names a time of day, because it may be read later than it was written."""
    if seconds is None or not 2 <= seconds < _A_DAY:
        return "Try again in a moment." if seconds is None or seconds < 2 else "Try again tomorrow."
    return f"Try again at {datetime.now(UTC) + timedelta(seconds=seconds):%H:%M:%S} UTC."


def _limit(found: "_Found") -> str:
    return next((_LIMITS[code] for code in found.codes if code in _LIMITS), "slow_down")


@dataclass(frozen=True, slots=True)
class _Found:
    """The content of an error body, in any of its four shapes."""

    codes: tuple[str, ...] = ()
    message: str = ""
    param: str = ""
    trace_id: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def _read(body: bytes, sent: object) -> _Found:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _Found()  # an HTML page of a proxy, or empty
    detail = data.get("detail") if isinstance(data, dict) else None
    if isinstance(detail, str):
        return _Found(message=clean(detail, sent))
    if isinstance(detail, list):
        fields = tuple(_field(item, sent) for item in detail[:20] if isinstance(item, dict))
        return _Found(codes=("validation_error",), fields=fields)
    if not isinstance(detail, dict):
        return _Found()
    codes = [code for name in ("status", "code", "type") if (code := _word(detail.get(name)))]
    message, param = detail.get("message"), detail.get("param")
    return _Found(
        codes=tuple(dict.fromkeys(codes)),
        message=clean(message, sent) if isinstance(message, str) else "",
        param=clean(param, sent) if isinstance(param, str) else "",
        trace_id=_word(detail.get("request_id")),
    )


def _field(item: dict[str, Any], sent: object) -> tuple[str, str]:
    """(path, message) of one validation error. Its `input` and `ctx` repeat what was sent and are ignored."""
    where = item.get("loc")
    parts = [str(part) for part in where if isinstance(part, str | int)] if isinstance(where, list) else []
    if parts and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    what = item.get("msg")
    return clean(".".join(parts), sent), clean(what, sent) if isinstance(what, str) else "is not valid"


def clean(text: str, sent: object = None) -> str:
    """Remote text as one short line for staff."""
    is_cut = len(text) > MAX_SCANNED_CHARS
    text = text[:MAX_SCANNED_CHARS]
    if text.lstrip()[:1] in {"[", "{"}:
        # A validator's errors as JSON in a string; they repeat the whole configuration, including the prompt.
        found = re.findall(r'"msg"\s*+:\s*+"((?:[^"\\]|\\.){1,500}+)"', text)
        text = "; ".join(dict.fromkeys(found)) or "a value in the settings"
        text = text.replace("Value error, ", "")
    for value in _long_texts(sent):
        text = text.replace(value, "[what was sent]")
    is_cut = is_cut or len(text) > MAX_CLEANED_CHARS
    text = scrub(text[:MAX_CLEANED_CHARS])
    if is_cut:
        text = without_cut_end(text)
    text = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    return _cut(" ".join(text.split()), MAX_MESSAGE_CHARS)


def _long_texts(sent: object) -> list[str]:
    """Texts that must not be shown: credentials, and texts long enough to be a prompt."""
    found = [value for value in secret_values(sent) if value]
    left = [sent]
    while left:
        value = left.pop()
        if isinstance(value, str) and len(value) >= 40:
            found += [value, json.dumps(value)[1:-1]]
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return sorted(found, key=len, reverse=True)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _sentence(text: str) -> str:
    """Ends with exactly one full stop or existing end mark, because more sentences follow."""
    return text if text.endswith(("…", "!", "?")) else text.rstrip(" .,;:") + "."


def _word(value: object) -> str:
    """A code or trace id that may be stored; empty if it may be a credential."""
    fits = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.:-]{1,100}", value) is not None
    return value if isinstance(value, str) and fits and scrub(value) == value else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; the headers may have milliseconds, seconds or a date."""
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) / per_second
        except ValueError:
            at = http_date(value)
            if at is None:
                continue
            seconds = (at - datetime.now(UTC)).total_seconds()
        if isfinite(seconds):
            return max(seconds, 0.0)
    return None


def http_date(text: str) -> datetime | None:
    """A date header in UTC, or None. Python raises OverflowError for a number that does not fit a C integer."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
