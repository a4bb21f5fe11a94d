"""Merges a PATCH into a stored object: objects deeply, everything else replaced, null included."""

from typing import Any


def merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    result = dict(old)
    for name, value in new.items():
        result[name] = merged(old[name], value) if name in old else value
    return result
