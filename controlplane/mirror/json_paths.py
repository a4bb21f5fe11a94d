"""Flattens nested JSON to {path: value} and back. Dots join keys; a dot inside a key is written `~1`."""

from collections.abc import Mapping
from typing import Any

ABSENT = None  # a path that is not there reads as null, which is also how the remote shows "not set"


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}. A list is one value: the remote replaces lists whole."""
    if not isinstance(value, dict) or (not value and path):
        return {path: value}
    flat: dict[str, Any] = {}
    _flatten_into(flat, value, path)
    return flat


def _flatten_into(flat: dict[str, Any], value: dict[str, Any], path: str) -> None:
    for key, inner in value.items():
        step = key.replace("~", "~0").replace(".", "~1") if "~" in key or "." in key else key
        at = f"{path}.{step}" if path else step
        if isinstance(inner, dict) and inner:
            _flatten_into(flat, inner, at)
        else:
            flat[at] = inner


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} -> {"a": {"b": 1}}."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = keys(path)
        inner = nested
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return nested


def get(value: Any, path: str) -> Any:
    """The value at a path, or None where there is nothing."""
    for key in keys(path):
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def is_same(one: Any, other: Any) -> bool:
    """In Python true equals 1, in JSON it does not."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def keys(path: str) -> list[str]:
    """The keys that a path joins."""
    return [step.replace("~1", ".").replace("~0", "~") for step in path.split(".")]
