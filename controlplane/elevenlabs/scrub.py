"""Removes secrets from all text that leaves the process: logs, error messages, stored notes.

Imports neither Django nor our own modules: the logging configuration loads it first.
"""

import base64
import html
import json
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[hidden]"
MIN_SECRET_CHARS = 4  # a shorter "secret" is a typo, and masking it would ruin every text

_SECRET_FIELDS = {"token", "account_auth_token", "auth_token", "password", "api_key", "api_token"}
_NEVER_KEPT = _SECRET_FIELDS | {"access_token", "credentials", "secret", "api_secret", "region_token", "api_key_secret"}
_MAX_DEPTH = 100  # deeper objects are not stored
_TELLING = 16  # this many hexadecimal characters of a token count as the whole token
MAX_LOGGED_CHARS = 20_000  # characters of one text in the log, excluding the note about the omission
_MARGIN = 1_000  # around a cut: longer than any credential recognized only by its pattern
# Attributes that every record has and no caller can set: only the message, the traceback and extras are scrubbed.
_OF_LOGGING = set(logging.makeLogRecord({}).__dict__) - {"exc_text", "stack_info"}

# Every pattern is linear in the length of the text: an unbounded quantifier only follows a literal word, and is
# possessive ("*+"), so no position of the text is scanned again for each position before it.
_IS = r"""(?:\\*+["']?\s*+[:=]|["']\s*+,)\s*+b?"""
_VALUE = r"""(?:\\*+"(?:[^"\\]|\\[^"])*+|\\*+'[^']*+|[^\s"'&,;}\])]++)"""
_NAMES = (
    r"(?:account[_-]?)?auth[_-]?token|(?:api|access|refresh|region)[_-]?token|xi[_-]api[_-]key|"
    r"(?:api[_-]?key|client|api)[_-]?secret|api[_-]?key|token|password|secret"
)
_BEGINS = r"(?=[acprstx][acefilopu])"  # how each name begins: tested first, as it is rare
_PATTERNS = (
    # (a lowercase part of every match; the pattern; the replacement)
    # A key of ElevenLabs, anywhere:
    ("sk_", re.compile(r"(?<![A-Za-z0-9])sk_(?!sandbox\b)[A-Za-z0-9_-]{6,}+"), f"sk_{MASK}"),
    # name: value, name=value, "name": "value", also escaped inside a string, and ('name', 'value') of header lists.
    ("", re.compile(rf"(\b{_BEGINS}(?:{_NAMES})\b{_IS})({_VALUE})", re.IGNORECASE), rf"\1{MASK}"),
    (
        "uthor",
        re.compile(r"""(\bauthorization\b["']?\s*+[:=,]\s*+b?["']?(?:bearer|basic)\s++)[^\s"',]++""", re.IGNORECASE),
        rf"\1{MASK}",
    ),
)
# A Twilio token is masked near the account's SID, or near a word that names it.
_TWILIO_TOKEN = re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{32}\b")
_NEAR = (
    # The text before the token, and the maximum length of that text.
    (re.compile(r"\b(?:AC|SK)[0-9a-fA-F]{32}\b[^\n]{0,60}\Z"), 34 + 60),
    (re.compile(r"\b(?:token|secret|password)\b[^\n]{0,30}\Z", re.IGNORECASE), 8 + 30),
)
_HEX_RUN = re.compile(rf"[0-9a-fA-F]{{{_TELLING},}}+")

_in_memory: ContextVar[tuple[str, ...]] = ContextVar("secrets in memory", default=())
_permanent: set[str] = set()


def scrub(text: str) -> str:
    """The text with every known secret masked. The time is linear in its length."""
    for secret in _known():
        for form in _forms(secret):
            text = text.replace(form, MASK)
        if len(secret) >= _TELLING and re.fullmatch(r"[0-9a-fA-F]+", secret):
            text = _without_hex(text, secret.lower())
    folded = text.casefold()
    for part, pattern, replacement in _PATTERNS:
        if part in folded:
            text = pattern.sub(replacement, text)
    return _TWILIO_TOKEN.sub(_masked_if_named, text)


def scrub_shortened(text: str, longest: int) -> str:
    """For a log: a long text is cut before it is scrubbed, with a note of how many characters are missing in its
    middle.

    A cut may divide a secret, and half of one would not be recognized. So each piece is scrubbed with a margin at the
    cut that is longer than every known secret; the margin is dropped afterwards. The second piece also loses the rest
    of its first word, which may be a value whose name was cut off.
    """
    if len(text) <= longest:
        return scrub(text)
    half, margin = longest // 2, cut_margin()
    if len(text) <= 2 * (half + margin):  # nothing would be omitted
        return scrub(text)
    head = without_cut_end(scrub(text[: half + margin]))
    tail = scrub(text[-half - margin :])[margin:]
    word = re.match(r"\S*+", tail)
    rest = word.end() if word else 0
    return f"{head} [... {len(text) - 2 * half + rest:,} characters left out ...] {tail[rest:]}"


def without_cut_end(scrubbed: str) -> str:
    """A scrubbed text that was cut before, without what may be the first half of a secret."""
    return scrubbed[: -cut_margin()]


def cut_margin() -> int:
    """Twice the length of the longest secret that a cut may divide, because a mask may be longer than the secret it
    replaces."""
    return max([_MARGIN, *(2 * len(_forms(secret)[0]) for secret in _known())])


def _known() -> tuple[str, ...]:
    return (*_in_memory.get(), *_permanent)


def _masked_if_named(found: re.Match[str]) -> str:
    start = found.start()
    named = any(before.search(found.string, max(0, start - max_chars), start) for before, max_chars in _NEAR)
    return MASK if named else found[0]


def _without_hex(text: str, secret: str) -> str:
    """A hexadecimal token is also valid in capitals, and is often shown shortened at either end."""
    prefix, suffix = secret[:_TELLING], secret[-_TELLING:]

    def masked(run: re.Match[str]) -> str:
        digits = run[0].lower()
        return MASK if prefix in digits or suffix in digits else run[0]

    return _HEX_RUN.sub(masked, text)


def without_credentials(data: Any) -> Any:
    """The same JSON as it may be stored: without fields that contain credentials and, while secrets are in memory, with
    those masked in all texts."""
    return _as_stored(data, 0, (dict, list, str) if _in_memory.get() else (dict, list))


def _as_stored(data: Any, depth: int, types: tuple[type, ...]) -> Any:
    """A sync calls this for each row of the list, so values of other types are skipped without a call."""
    if depth > _MAX_DEPTH:
        return data
    if isinstance(data, dict):
        return {
            _as_stored(name, depth, types) if str in types else name: (
                _as_stored(value, depth + 1, types) if isinstance(value, types) else value
            )
            for name, value in data.items()
            if str(name).lower() not in _NEVER_KEPT
        }
    if isinstance(data, list):
        return [_as_stored(value, depth + 1, types) for value in data]
    return scrub(data) if isinstance(data, str) and str in types else data


@contextmanager
def secrets_in_memory(*secrets: str) -> Iterator[None]:
    """Within this block the given values are masked, in whatever encoding they appear."""
    known = tuple(secret for secret in secrets if isinstance(secret, str) and len(secret) >= MIN_SECRET_CHARS)
    token = _in_memory.set((*_in_memory.get(), *known))
    try:
        yield
    finally:
        _in_memory.reset(token)


def mask_permanently(secret: str) -> None:
    """For the API key, which the process holds for its lifetime."""
    if len(secret) >= MIN_SECRET_CHARS:
        _permanent.add(secret)


def _forms(secret: str) -> list[str]:
    """The encodings of a value in texts, longest first, so that no form leaves a remainder of another."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    forms |= {json.dumps(form)[1:-1] for form in tuple(forms)}  # JSON in a JSON string
    forms |= {escaped for form in tuple(forms) for escaped in _in_html(form)}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= {form.lower() for form in tuple(forms) if "%" in form}
    for before in range(3):
        # Inside longer base64 text a value has one of three encodings; the characters it shares with its neighbours are
        # cut off.
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        skipped = (0, 2, 3)[before]
        kept = (before + len(raw)) // 3 * 4
        if kept - skipped >= 8:
            forms |= {encoded[skipped:kept], encoded[skipped:kept].translate(str.maketrans("+/", "-_"))}
    forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return sorted(forms, key=len, reverse=True)


def _in_html(text: str) -> set[str]:
    """HTML escaping differs between programs: how quotes are written, and whether they are escaped."""
    named, bare = html.escape(text), html.escape(text, quote=False)
    decimal = named.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    return {named, bare, decimal, named.replace("&#x27;", "&#39;"), named.replace("&#x27;", "&apos;")}


def secret_values(body: object) -> list[str]:
    """The credentials in a request body, at any depth."""
    found: list[str] = []
    pending: list[tuple[str, object]] = [("", body)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += [(str(key), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(name, item) for item in value]
        elif isinstance(value, str) and name in _SECRET_FIELDS:
            found.append(value)
    return found


class ScrubFilter(logging.Filter):
    """For every handler. Changes the record itself, so that later handlers do not see the original."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments are arbitrary; a log line must not raise
            text = f"{record.msg} [its arguments did not fit]"
        record.msg, record.args = scrub_shortened(text, MAX_LOGGED_CHARS), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None  # otherwise a handler could print the traceback again, unmasked
        for name, value in list(record.__dict__.items()):
            if name in _OF_LOGGING:
                continue
            if isinstance(value, str):
                setattr(record, name, scrub_shortened(value, MAX_LOGGED_CHARS))
            elif isinstance(value, dict | list | tuple):
                setattr(record, name, scrub_shortened(repr(value), MAX_LOGGED_CHARS))
        return True
