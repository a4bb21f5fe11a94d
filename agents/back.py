"""The patch that takes a change of an agent back. Before and after are as the ledger tells them: {path: value}."""

from collections.abc import Mapping
from typing import Any

from controlplane.mirror.paths import get, nest


def back(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(values, shown): what to send at which paths, and what the change left there.

    A path that was not there is cleared by null. Where a change put an object in place of a value or took one away,
    the two sides name it by paths of different depth; one of them is enough.
    """
    values = {path: value for path, value in before.items() if value != {} or not _below(path, after)}
    for path in after:
        if path not in before and not _below(path, values) and not any(_is_below(path, kept) for kept in values):
            values[path] = None
    for path in list(values):
        parent, _, last = path.rpartition(".")
        if last == "tools" and f"{parent}.tool_ids" in values:
            del values[path]  # the same told a second time, and ElevenLabs takes one of the two
    left = nest(after)
    return values, {path: get(left, path) for path in values}


def tools_themselves(values: Mapping[str, Any]) -> bool:
    """Are tools of other places meant, that the agent only shows? They are not the agent's to be set."""
    return any(path.rpartition(".")[2] == "tools" for path in values)


def _below(path: str, paths: Mapping[str, Any]) -> bool:
    return any(_is_below(other, path) for other in paths)


def _is_below(path: str, above: str) -> bool:
    return path.startswith(f"{above}.")
