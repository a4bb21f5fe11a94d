"""Records the HTTP attempts of a block of code, for reports. No value of a successful response is kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from .error_mapping import Reply, clean

MAX_BODY_CHARS = 1000
MAX_ITEMS = 20
MAX_DEPTH = 6
REPEATED = frozenset({"input", "ctx"})  # of a FastAPI 422: these repeat what was sent


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status` is None if no complete response came. `body` is that of a refusal, cleaned and cut; for a success,
    `form` says what the body was ("nothing", "null", "object", "list", "not JSON") and `names` the keys of an
    object."""

    method: str
    path: str
    status: int | None
    trace_id: str
    milliseconds: float
    date: str = ""  # the Date header
    body: str = ""
    form: str = ""
    names: tuple[str, ...] = ()


_watching: ContextVar[tuple[list[Attempt], ...]] = ContextVar("watching", default=())


@contextmanager
def recording() -> Iterator[list[Attempt]]:
    """Collects every attempt that this thread makes within the block, as it is answered. Blocks may be nested."""
    seen: list[Attempt] = []
    token = _watching.set((*_watching.get(), seen))
    try:
        yield seen
    finally:
        _watching.reset(token)


def record(method: str, path: str, reply: Reply | None, milliseconds: float, sent: object) -> None:
    """Called by the transport for each attempt of which at least a byte was sent. `sent` is the request body."""
    watching = _watching.get()
    if not watching:
        return
    if reply is None:
        attempt = Attempt(method, path, None, "", milliseconds)
    elif 200 <= reply.status < 300:
        form, names = _form(reply.body)
        attempt = Attempt(
            method, path, reply.status, reply.trace_id(), milliseconds, _date(reply), form=form, names=names
        )
    else:
        body = refusal(reply.body, sent)
        attempt = Attempt(method, path, reply.status, reply.trace_id(), milliseconds, _date(reply), body=body)
    for seen in watching:
        seen.append(attempt)


def refusal(body: bytes, sent: object) -> str:
    """The body of a refusal for a report: without credentials and prompts, and cut to a length that fits a page."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return clean(body.decode("utf-8", "replace"), sent)
    text = json.dumps(_cleaned(data, sent, 0), ensure_ascii=False)
    return text if len(text) <= MAX_BODY_CHARS else text[: MAX_BODY_CHARS - 1] + "…"


def _cleaned(value: Any, sent: object, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value, sent)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        kept = [(name, item) for name, item in value.items() if name not in REPEATED][:MAX_ITEMS]
        return {clean(name, sent): _cleaned(item, sent, depth + 1) for name, item in kept}
    if isinstance(value, list):
        return [_cleaned(item, sent, depth + 1) for item in value[:MAX_ITEMS]]
    return value


def _form(body: bytes) -> tuple[str, tuple[str, ...]]:
    if not body.strip():
        return "nothing", ()
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "not JSON", ()
    if isinstance(data, dict):
        return "object", tuple(str(name)[:80] for name in list(data)[:MAX_ITEMS])
    return ("null" if data is None else "list" if isinstance(data, list) else "a value"), ()


def _date(reply: Reply) -> str:
    return reply.headers.get("date", "")[:40]
