"""Removes secrets from all text that leaves the process: logs, error messages, stored notes.

Imports nothing of Django or ours: the logging configuration loads it first.
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
MIN_SECRET_CHARS = 4  # a shorter "secret" is a slip of the finger, and masking it would shred every text

_SECRET_FIELDS = {"token", "account_auth_token", "auth_token", "password", "api_key", "api_token"}
_NEVER_KEPT = _SECRET_FIELDS | {"access_token", "credentials", "secret", "api_secret", "region_token", "api_key_secret"}
_MAX_DEPTH = 100  # what is nested deeper is stored by nobody
_TELLING = 16  # so many characters of a token in hexadecimal are as good as the whole
MAX_LOGGED_CHARS = 20_000  # characters of one text in the log, besides the note of what was left out
_MARGIN = 1_000  # of a cut: longer than any credential that is known by its looks only
# What every record has and no caller can fill, so that only the message, the traceback and extras are looked at.
_OF_LOGGING = set(logging.makeLogRecord({}).__dict__) - {"exc_text", "stack_info"}

# Every pattern is linear in the length of the text: an unbounded quantifier stands only behind a word, and what it has
# matched is not given back ("*+"), so no position of the text is looked at again for each position before it.
_IS = r"""(?:\\*+["']?\s*+[:=]|["']\s*+,)\s*+b?"""
_VALUE = r"""(?:\\*+"(?:[^"\\]|\\[^"])*+|\\*+'[^']*+|[^\s"'&,;}\])]++)"""
_NAMES = (
    r"(?:account[_-]?)?auth[_-]?token|(?:api|access|refresh|region)[_-]?token|xi[_-]api[_-]key|"
    r"(?:api[_-]?key|client|api)[_-]?secret|api[_-]?key|token|password|secret"
)
_BEGINS = r"(?=[acprstx][acefilopu])"  # how each of the names begins: looked at first, as it is seldom there
_PATTERNS = (
    # (what every match holds in small letters; the pattern; what comes in its place)
    # A key of ElevenLabs, wherever it stands.
    ("sk_", re.compile(r"(?<![A-Za-z0-9])sk_(?!sandbox\b)[A-Za-z0-9_-]{6,}+"), f"sk_{MASK}"),
    # name: value, name=value, "name": "value", also escaped inside a string, and ('name', 'value') of header lists.
    ("", re.compile(rf"(\b{_BEGINS}(?:{_NAMES})\b{_IS})({_VALUE})", re.IGNORECASE), rf"\1{MASK}"),
    (
        "uthor",
        re.compile(r"""(\bauthorization\b["']?\s*+[:=,]\s*+b?["']?(?:bearer|basic)\s++)[^\s"',]++""", re.IGNORECASE),
        rf"\1{MASK}",
    ),
)
# A Twilio token stands near the account's SID, or near a word that names it.
_TWILIO_TOKEN = re.compile(r"(?<![0-9a-zA-Z])[0-9a-fA-F]{32}\b")
_NEAR = (
    # What stands before it, and how many characters that has at most.
    (re.compile(r"\b(?:AC|SK)[0-9a-fA-F]{32}\b[^\n]{0,60}\Z"), 34 + 60),
    (re.compile(r"\b(?:token|secret|password)\b[^\n]{0,30}\Z", re.IGNORECASE), 8 + 30),
)
_HEX_RUN = re.compile(rf"[0-9a-fA-F]{{{_TELLING},}}+")

_in_memory: ContextVar[tuple[str, ...]] = ContextVar("secrets in memory", default=())
_for_good: set[str] = set()


def scrub(text: str) -> str:
    """The same text with every known secret replaced, in a time that grows with its length and no faster."""
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
    """For a log: a long text is cut before it is scrubbed, and says how many characters are missing in its middle.

    A cut may divide a secret, and its half would be recognized by nobody. So each piece is scrubbed with a margin of
    some more characters at the cut, longer than every known secret; the margin is dropped afterwards. The second piece
    also loses the rest of the word that it begins in, which may be a value whose name was cut off.
    """
    if len(text) <= longest:
        return scrub(text)
    half, margin = longest // 2, cut_margin()
    if len(text) <= 2 * (half + margin):  # nothing would be left out
        return scrub(text)
    begins = without_cut_end(scrub(text[: half + margin]))
    ends = scrub(text[-half - margin :])[margin:]
    word = re.match(r"\S*+", ends)
    rest = word.end() if word else 0
    return f"{begins} [... {len(text) - 2 * half + rest:,} characters left out ...] {ends[rest:]}"


def without_cut_end(scrubbed: str) -> str:
    """A scrubbed text, which was cut off before, without what may be the first half of a secret."""
    return scrubbed[: -cut_margin()]


def cut_margin() -> int:
    """The length of the longest secret that a cut may divide; twice that, because a mask may be longer than what it
    hides."""
    return max([_MARGIN, *(2 * len(_forms(secret)[0]) for secret in _known())])


def _known() -> tuple[str, ...]:
    return (*_in_memory.get(), *_for_good)


def _masked_if_named(found: re.Match[str]) -> str:
    begins = found.start()
    named = any(before.search(found.string, max(0, begins - most), begins) for before, most in _NEAR)
    return MASK if named else found[0]


def _without_hex(text: str, secret: str) -> str:
    """Such a token means the same in capitals, and is often told cut short, at either end."""
    begins, ends = secret[:_TELLING], secret[-_TELLING:]

    def masked(run: re.Match[str]) -> str:
        digits = run[0].lower()
        return MASK if begins in digits or ends in digits else run[0]

    return _HEX_RUN.sub(masked, text)


def without_credentials(data: Any) -> Any:
    """The same JSON as it may be kept: without the fields that hold credentials, and while some are in memory,
    without any text that repeats them."""
    return _as_kept(data, 0, (dict, list, str) if _in_memory.get() else (dict, list))


def _as_kept(data: Any, depth: int, looked_at: tuple[type, ...]) -> Any:
    """A sync does this to each line of the list, so what is not to be looked at is passed over without a call."""
    if depth > _MAX_DEPTH:
        return data
    if isinstance(data, dict):
        return {
            _as_kept(name, depth, looked_at) if str in looked_at else name: (
                _as_kept(value, depth + 1, looked_at) if isinstance(value, looked_at) else value
            )
            for name, value in data.items()
            if str(name).lower() not in _NEVER_KEPT
        }
    if isinstance(data, list):
        return [_as_kept(value, depth + 1, looked_at) for value in data]
    return scrub(data) if isinstance(data, str) and str in looked_at else data


@contextmanager
def secrets_in_memory(*secrets: str) -> Iterator[None]:
    """Inside this block the given values are masked in whatever form they turn up."""
    known = tuple(secret for secret in secrets if isinstance(secret, str) and len(secret) >= MIN_SECRET_CHARS)
    token = _in_memory.set((*_in_memory.get(), *known))
    try:
        yield
    finally:
        _in_memory.reset(token)


def mask_from_now_on(secret: str) -> None:
    """For the API key, which the process holds as long as it lives."""
    if len(secret) >= MIN_SECRET_CHARS:
        _for_good.add(secret)


def _forms(secret: str) -> list[str]:
    """How a value looks in texts, the longest first, so that no form leaves the rest of another behind."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    forms |= {json.dumps(form)[1:-1] for form in tuple(forms)}  # JSON in a JSON string
    forms |= {escaped for form in tuple(forms) for escaped in _in_html(form)}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= {form.lower() for form in tuple(forms) if "%" in form}
    for before in range(3):
        # Inside a longer base64 text a value has one of three looks; the letters it shares with its neighbours go.
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        skipped = (0, 2, 3)[before]
        kept = (before + len(raw)) // 3 * 4
        if kept - skipped >= 8:
            forms |= {encoded[skipped:kept], encoded[skipped:kept].translate(str.maketrans("+/", "-_"))}
    forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return sorted(forms, key=len, reverse=True)


def _in_html(text: str) -> set[str]:
    """Programs disagree about how quotes are written, and whether they are."""
    named, bare = html.escape(text), html.escape(text, quote=False)
    decimal = named.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    return {named, bare, decimal, named.replace("&#x27;", "&#39;"), named.replace("&#x27;", "&apos;")}


def secret_values(body: object) -> list[str]:
    """The credentials in a request's body, however deep."""
    found: list[str] = []
    left: list[tuple[str, object]] = [("", body)]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += [(str(key), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            left += [(name, item) for item in value]
        elif isinstance(value, str) and name in _SECRET_FIELDS:
            found.append(value)
    return found


class ScrubFilter(logging.Filter):
    """For every handler: rewrites the record itself, so that no later handler sees more."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments are anybody's; a log line must not raise
            text = f"{record.msg} [its arguments did not fit]"
        record.msg, record.args = scrub_shortened(text, MAX_LOGGED_CHARS), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None  # else a handler could print the traceback again, unmasked
        for name, value in list(record.__dict__.items()):
            if name in _OF_LOGGING:
                continue
            if isinstance(value, str):
                setattr(record, name, scrub_shortened(value, MAX_LOGGED_CHARS))
            elif isinstance(value, dict | list | tuple):
                setattr(record, name, scrub_shortened(repr(value), MAX_LOGGED_CHARS))
        return True
