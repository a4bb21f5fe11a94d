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
REPEATED = frozenset({"input", "ctx"})  # of a FastAPI 422: what was sent


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status` is None where no whole answer came. `body` is that of a refusal, cleaned and cut; `form` says of a
    success what its body was ("nothing", "null", "object", "list", "not JSON"), `names` the names in an object."""

    method: str
    path: str
    status: int | None
    trace_id: str
    milliseconds: float
    date: str = ""  # the header
    body: str = ""
    form: str = ""
    names: tuple[str, ...] = ()


_watching: ContextVar[tuple[list[Attempt], ...]] = ContextVar("witnesses", default=())


@contextmanager
def recording() -> Iterator[list[Attempt]]:
    """Every attempt that this thread makes inside the block, as it is answered. Blocks may stand in each other."""
    seen: list[Attempt] = []
    token = _watching.set((*_watching.get(), seen))
    try:
        yield seen
    finally:
        _watching.reset(token)


def record(method: str, path: str, reply: Reply | None, milliseconds: float, sent: object) -> None:
    """By the transport, of each attempt of which a byte left. `sent` is the request's body."""
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
    """The body of a refusal for a report: no credential, no prompt, and not longer than a page bears."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return clean(body.decode("utf-8", "replace"), sent)
    text = json.dumps(_bare(data, sent, 0), ensure_ascii=False)
    return text if len(text) <= MAX_BODY_CHARS else text[: MAX_BODY_CHARS - 1] + "…"


def _bare(value: Any, sent: object, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value, sent)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        some = [(name, item) for name, item in value.items() if name not in REPEATED][:MAX_ITEMS]
        return {clean(name, sent): _bare(item, sent, depth + 1) for name, item in some}
    if isinstance(value, list):
        return [_bare(item, sent, depth + 1) for item in value[:MAX_ITEMS]]
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
