"""Computes the patch that reverts a change of an agent. Before and after come from the history: {path: value}."""

from collections.abc import Mapping
from typing import Any

from agents.workflow import is_in_workflow
from controlplane.mirror.json_paths import flatten, get


def revert_patch(before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """{path: value} to be sent. `now` is the agent's JSON, as the change left it.

    Null clears what was not there before: as a whole where the change brought a whole object, such as a node of a
    workflow. Where an object came in place of a value, the value is enough. An empty object changes nothing when sent,
    except in a workflow, which is sent whole.
    """
    values = {
        path: value
        for path, value in before.items()
        if value != {} or after.get(path) is not None or (is_in_workflow(path) and not _any_below(path, after))
    }
    for path in after:
        if path not in before and not _any_below(path, values) and not any(_is_below(path, kept) for kept in values):
            values[_brought(path, before, after, now)] = None
    for path in list(values):
        parent, _, last = path.rpartition(".")
        if last == "tools" and not is_in_workflow(path) and f"{parent}.tool_ids" in values:
            del values[path]  # the same told a second time, and ElevenLabs takes one of the two
    return values


def changes_a_tool(values: Mapping[str, Any]) -> bool:
    """Are tools of other places meant, that the agent only shows? They are not the agent's to be set."""
    return any(path.rpartition(".")[2] == "tools" and not is_in_workflow(path) for path in values)


def _brought(path: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The outermost object around this path of which nothing was there before; the path itself if there is none."""
    steps = path.split(".")
    outermost = 3 if is_in_workflow(path) else 1  # a node or an edge, never all of them
    for depth in range(outermost, len(steps)):
        around = ".".join(steps[:depth])
        if around in before or _any_below(around, before):
            continue
        inner = flatten(get(now, around), around)
        nothing: list[Any] = [None] if is_in_workflow(path) else [None, {}]
        if all(one in after for one, value in inner.items() if value not in nothing):
            return around
    return path


def _any_below(path: str, paths: Mapping[str, Any]) -> bool:
    return any(_is_below(other, path) for other in paths)


def _is_below(path: str, above: str) -> bool:
    return path.startswith(f"{above}.")
