"""The report of a run as one JSON object."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from controlplane.elevenlabs import is_sandbox
from controlplane.elevenlabs.scrub import scrub
from controlplane.lifecycle.assumptions import REFUTED, judged
from controlplane.lifecycle.experiment import Experiment
from controlplane.lifecycle.removal import Leftover
from controlplane.lifecycle.step import OTHERWISE, Step

FORMAT = 1
# What is measured, by step: {step name: label}.
MEASURED = {
    "create": "Create an agent",
    "import": "Import",
    "listed": "Listed after the import",
    "assign": "Assign",
    "swap": "Swap",
    "remove": "Remove the number",
    "delete": "Delete an agent",
}


def as_json(
    x: Experiment, *, base_url: str, workspace: str, by: str, began: datetime, ended: datetime
) -> dict[str, Any]:
    """The report without the leftovers, which are known only after the clean-up."""
    rounds = max((step.round for step in x.steps), default=0)
    data: dict[str, Any] = scrubbed(
        {
            "format": FORMAT,
            "sandbox": is_sandbox(base_url),
            "remote": base_url,
            "workspace": workspace,
            "by": by,
            "began": began.isoformat(timespec="seconds"),
            "ended": ended.isoformat(timespec="seconds"),
            "rounds": rounds,
            "number": x.phone_number,
            "broken_off": x.broken_off,
            "hot_swap": x.facts.get("hot_swap"),
            "in_use": x.facts.get("in_use", ""),
            "after_delete": x.facts.get("after_delete", ""),
            "latencies": latencies(x.steps),
            "steps": [step.as_dict() for step in x.steps],
            "assumptions": judged(x.findings),
            "left": [],
        }
    )
    return data


def with_leftovers(data: dict[str, Any], left: Iterable[Leftover]) -> dict[str, Any]:
    return data | {"left": [scrub(str(one)) for one in left]}


def is_as_assumed(data: dict[str, Any]) -> bool:
    """Whether nothing was refuted and no step that was tried had an unexpected result."""
    refuted = any(line["verdict"] == REFUTED for line in data["assumptions"])
    return not refuted and not any(step["outcome"] == OTHERWISE for step in data["steps"])


def latencies(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Milliseconds on the wire of the writes that ElevenLabs accepted; for "listed", from the import's response until
    the number was listed."""
    found = []
    for name, words in MEASURED.items():
        durations = sorted(
            step.milliseconds
            for step in steps
            if step.name == name and step.milliseconds is not None and (step.status is None or step.status < 300)
        )
        if durations:
            found.append(
                {
                    "name": name,
                    "words": words,
                    "count": len(durations),
                    "p50": rank(durations, 0.5),
                    "p95": rank(durations, 0.95),
                }
            )
    return found


def rank(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank percentile."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _body(text: str) -> str:
    """Scrubbed value by value if it is JSON: as one text, the word "token" in it would hide the name that follows."""
    try:
        return json.dumps(scrubbed(json.loads(text)), ensure_ascii=False)
    except ValueError:
        return scrub(text)


def scrubbed(value: Any) -> Any:
    """`value` with all known secrets removed from its texts."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {name: _body(item) if name == "body" else scrubbed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return value
