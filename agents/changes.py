"""Settings of an agent in words, and what a write changed beyond what was requested."""

from collections.abc import Iterable, Mapping
from typing import Any

from agents import workflow
from agents.models import SETTINGS
from controlplane.mirror.paths import flatten, keys

MOST_NAMED = 5


def label(path: str) -> str:
    """A setting's path in words, short: "conversation_config.tts.voice_id" -> "voice id"."""
    part, *steps = keys(path)
    if part == workflow.PART and len(steps) > 1 and steps[0] in ("nodes", "edges"):
        named = f"workflow {steps[0][:-1]} “{steps[1]}”"
        return f"{named}, {steps[-1].replace('_', ' ')}" if len(steps) > 2 else named
    return path.rsplit(".", 1)[-1].replace("_", " ")


def changed_besides(found: Mapping[str, Any], seen: Mapping[str, Any], requested: Iterable[str]) -> str:
    """A sentence about what differs between the agent's JSON before and after a write without having been requested."""
    before, after = (flatten({part: agent.get(part) for part in SETTINGS}) for agent in (found, seen))
    paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    besides = unrequested(paths, requested)
    if not besides:
        return ""
    named = [*map(label, besides[:MOST_NAMED]), *(["…"] if len(besides) > MOST_NAMED else [])]
    return f"ElevenLabs changed something else with it, which the history shows: {', '.join(named)}."


def unrequested(changed: Iterable[str], requested: Iterable[str]) -> list[str]:
    """Those of the changed paths that none of the requested ones holds or reaches into."""
    exact = set(requested)
    return [
        path
        for path in changed
        if path not in exact and not any(path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in exact)
    ]
