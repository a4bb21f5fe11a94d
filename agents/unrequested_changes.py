"""Finds what a write changed at ElevenLabs beyond what was requested."""

from collections.abc import Iterable, Mapping
from typing import Any

from agents import workflow
from agents.models import SETTINGS
from controlplane.mirror.json_paths import flatten
from controlplane.setting_names import short_name

MAX_NAMED = 5


def describe_unrequested(found: Mapping[str, Any], seen: Mapping[str, Any], requested: Iterable[str]) -> str:
    """A sentence about what differs between the agent's JSON before and after a write without having been requested."""
    before, after = (flatten({part: agent.get(part) for part in SETTINGS}) for agent in (found, seen))
    paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    besides = unrequested(paths, requested)
    if not besides:
        return ""
    objects = list(dict.fromkeys(map(_object_name, besides)))
    named = "; ".join(objects[:MAX_NAMED]) + (" and more" if len(objects) > MAX_NAMED else "")
    return f"But ElevenLabs also changed what was not requested: {named}. The history shows it, and Undo takes it back."


def _object_name(path: str) -> str:
    """Of a node or an edge just its name, whatever of it changed."""
    return short_name(".".join(path.split(".")[:3]) if workflow.is_in_workflow(path) else path)


def unrequested(changed: Iterable[str], requested: Iterable[str]) -> list[str]:
    """Those of the changed paths that none of the requested ones holds or reaches into."""
    exact = set(requested)
    return [
        path
        for path in changed
        if path not in exact and not any(path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in exact)
    ]
