"""Finds what a write changed at ElevenLabs beyond what was requested."""

from collections.abc import Iterable, Mapping
from typing import Any

from agents import workflow
from agents.models import SETTINGS
from controlplane.mirror.json_paths import flatten
from controlplane.setting_names import setting_name

MAX_NAMED = 5


def describe_unrequested(found: Mapping[str, Any], seen: Mapping[str, Any], requested: Iterable[str]) -> str:
    """A sentence about unrequested differences between `found`, the agent's JSON before a write, and `seen`, after it.

    Returns "" if there are none.
    """
    before, after = (flatten({part: agent.get(part) for part in SETTINGS}) for agent in (found, seen))
    paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    unexpected = unrequested(paths, requested)
    if not unexpected:
        return ""
    objects = list(dict.fromkeys(map(_object_name, unexpected)))
    named = "; ".join(objects[:MAX_NAMED]) + (" and more" if len(objects) > MAX_NAMED else "")
    return f"But ElevenLabs also changed what was not requested: {named}. The history shows it, and Undo takes it back."


def _object_name(path: str) -> str:
    """For anything inside a node or an edge of the workflow, the name of that node or edge."""
    return setting_name(".".join(path.split(".")[:3]) if workflow.is_in_workflow(path) else path)


def unrequested(changed: Iterable[str], requested: Iterable[str]) -> list[str]:
    """The changed paths that neither equal a requested path nor are above or below one."""
    exact = set(requested)
    return [
        path
        for path in changed
        if path not in exact
        and not any(path.startswith(f"{other}.") or other.startswith(f"{path}.") for other in exact)
    ]
