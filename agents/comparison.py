"""Compares what was requested of an agent with what ElevenLabs shows, by meaning.

ElevenLabs fills in defaults within elements of lists, drops keys that it does not know, and rewrites values: it trims
texts, rounds and clamps numbers, sorts lists (docs/assumptions.md, 60 to 62).
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from agents import workflow
from controlplane.mirror.json_paths import get, is_same, keys

MAX_SHOWN_CHARS = 60


class Found(Enum):
    """What ElevenLabs shows at a path that was requested to change."""

    KEPT = "as requested"
    REWRITTEN = "the request in another form"
    UNKNOWN = "not stored: ElevenLabs does not know the setting"
    BEFORE = "as before"
    OTHER = "something else"


def has_value(agent: Mapping[str, Any], path: str, value: Any) -> bool:
    """Whether the agent's JSON has `value` at `path`."""
    return workflow.has_value(agent, path, value) or includes(get(agent, path), value)


def includes(now: Any, requested: Any) -> bool:
    """Whether everything that was requested is there. What the service added to an element of a list is its own."""
    if isinstance(requested, Mapping) and isinstance(now, Mapping):
        return all(key in now and includes(now[key], value) for key, value in requested.items())
    if isinstance(requested, list) and isinstance(now, list):
        return len(now) == len(requested) and all(map(includes, now, requested))
    return is_same(now, requested)


def compare(agent: Mapping[str, Any], path: str, requested: Any, before: Any, *, is_reply: bool) -> Found:
    """`agent` is the JSON after the write, `before` the value ahead of it. `is_reply`: the JSON is the reply to the
    write, so nobody else can have changed it in between."""
    now = get(agent, path)
    if has_value(agent, path, requested):
        return Found.KEPT
    if not _exists(agent, path) and before is None and requested is not None:
        return Found.UNKNOWN
    if is_same(now, before):
        return Found.BEFORE
    return Found.REWRITTEN if is_reply or _is_rewriting(now, requested) else Found.OTHER


def _exists(agent: Mapping[str, Any], path: str) -> bool:
    value: Any = agent
    for key in keys(path):
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _is_rewriting(now: Any, requested: Any) -> bool:
    """Whether the service may have made this value from the requested one."""
    if isinstance(now, str) and isinstance(requested, str):
        return now.strip().casefold() == requested.strip().casefold()
    if _is_number(now) and _is_number(requested):
        return bool(round(now, 2) == round(requested, 2))
    if isinstance(now, list) and isinstance(requested, list):
        return sorted(map(_canonical, now)) == sorted(map(_canonical, requested))
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True).strip().casefold()


def shown(value: Any) -> str:
    """A value as a message quotes it: short, and not as Python writes it."""
    if value is None:
        return "nothing"
    text = f"“{value}”" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"
