"""Flattens nested JSON to {path: value} and back. Dots join keys; a dot inside a key is written `~1`."""

from collections.abc import Mapping
from typing import Any

ABSENT = None  # a missing path reads as null, which is also how the remote shows "not set"


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}. A list is one value, because the remote replaces lists as a whole."""
    if not isinstance(value, dict) or (not value and path):
        return {path: value}
    flat: dict[str, Any] = {}
    _flatten_into(flat, value, path)
    return flat


def _flatten_into(flat: dict[str, Any], value: dict[str, Any], path: str) -> None:
    for key, inner in value.items():
        step = key.replace("~", "~0").replace(".", "~1") if "~" in key or "." in key else key
        inner_path = f"{path}.{step}" if path else step
        if isinstance(inner, dict) and inner:
            _flatten_into(flat, inner, inner_path)
        else:
            flat[inner_path] = inner


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
    """The value at a path, or None if the path does not exist."""
    for key in keys(path):
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def is_same(one: Any, other: Any) -> bool:
    """JSON equality of scalars: unlike in Python, true does not equal 1."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def keys(path: str) -> list[str]:
    """Splits a path into its keys."""
    return [step.replace("~1", ".").replace("~0", "~") for step in path.split(".")]
