"""Computes the patch that reverts a change of an agent. Before and after come from the history: {path: value}."""

from collections.abc import Mapping
from typing import Any

from agents.workflow import is_in_workflow
from controlplane.mirror.json_paths import flatten, get


def revert_patch(before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """{path: value} to send. `now` is the agent's JSON, as the change left it.

    Null removes what the change added. If it added a whole object, such as a node of a workflow, the object is removed
    as a whole. If an object replaced a plain value, restoring the value is enough. Sending an empty object changes
    nothing, except in a workflow, which is sent whole.
    """
    values = {
        path: value
        for path, value in before.items()
        if value != {} or after.get(path) is not None or (is_in_workflow(path) and not _any_below(path, after))
    }
    for path in after:
        if path not in before and not _any_below(path, values) and not any(_is_below(path, kept) for kept in values):
            values[_added_root(path, before, after, now)] = None
    for path in list(values):
        parent, _, last = path.rpartition(".")
        if last == "tools" and not is_in_workflow(path) and f"{parent}.tool_ids" in values:
            del values[path]  # the same information again, and ElevenLabs accepts only one of the two
    return values


def changes_a_tool(values: Mapping[str, Any]) -> bool:
    """Whether a path contains tools that the agent only displays. They are defined elsewhere and cannot be set here."""
    return any(path.rpartition(".")[2] == "tools" and not is_in_workflow(path) for path in values)


def _added_root(path: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The outermost object around `path` that the change added as a whole; `path` itself if there is none."""
    steps = path.split(".")
    outermost = 3 if is_in_workflow(path) else 1  # one node or edge, never all of them
    for depth in range(outermost, len(steps)):
        parent = ".".join(steps[:depth])
        if parent in before or _any_below(parent, before):
            continue
        inner = flatten(get(now, parent), parent)
        empty_values: list[Any] = [None] if is_in_workflow(path) else [None, {}]
        if all(inner_path in after for inner_path, value in inner.items() if value not in empty_values):
            return parent
    return path


def _any_below(path: str, paths: Mapping[str, Any]) -> bool:
    return any(_is_below(other, path) for other in paths)


def _is_below(path: str, above: str) -> bool:
    return path.startswith(f"{above}.")
