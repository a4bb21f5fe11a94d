"""What an agent's page tells of its past and surroundings, in words."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from agents.fields import FIELD_AT
from agents.kinds import label
from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.operations.models import OPEN, Operation

MOST_NUMBERS = 50
MOST_CHANGES = 6  # of one entry: a new agent has over a hundred settings
LONGEST = 80
VERBS = {"added": "Seen for the first time", "gone": "Gone at ElevenLabs", "back": "Back at ElevenLabs"}


@dataclass(frozen=True)
class Line:
    """One entry of the history."""

    at: datetime
    who: str
    what: str
    changes: tuple[str, ...]
    reason: str


def about(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    """Only what this person may see."""
    user, here = request.user, {"object_type": "agent", "object_id": agent.remote_id}
    bound = agent.numbers.filter(gone_at=None).defer("remote_data").order_by("phone_number", "pk")
    numbers = list(bound[:MOST_NUMBERS])
    told: dict[str, Any] = {
        "numbers": numbers,
        "number_count": bound.count() if len(numbers) == MOST_NUMBERS else len(numbers),
        "open_operation": Operation.objects.filter(**here, state__in=OPEN).first(),
    }
    if user.has_perm("operations.view_operation"):
        told["operations"] = list(Operation.objects.filter(**here).defer("wanted", "before", "seen")[:10])
    if user.has_perm("audit.view_entry"):
        told["entries"] = [line(entry) for entry in Entry.objects.filter(**here)[:10]]
    return told


def line(entry: Entry) -> Line:
    who = entry.actor_name if entry.cause == Entry.Cause.OPERATION else entry.get_cause_display()
    subject, _, verb = entry.kind.partition(".")
    if subject == "operation":
        return Line(entry.at, who, entry.after.get("message") or entry.after.get("asked") or verb, (), entry.reason)
    if verb in VERBS:
        return Line(entry.at, who, f"{VERBS[verb]}.", (), entry.reason)
    paths = sorted({*entry.before, *entry.after})
    changes = [f"{name_of(path)}: {_pair(entry.before.get(path), entry.after.get(path))}" for path in paths[:MOST_CHANGES]]
    if len(paths) > MOST_CHANGES:
        changes.append(f"and {len(paths) - MOST_CHANGES} more")
    return Line(entry.at, who, "Changed.", tuple(changes), entry.reason)


def name_of(path: str) -> str:
    words = FIELD_AT[path].replace("_", " ") if path in FIELD_AT else label(path)
    return words[:1].upper() + words[1:]


def _pair(before: Any, after: Any) -> str:
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > LONGEST:
        return f"{len(before):,} → {len(after):,} characters"
    return f"{_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    if value is None or value == "":
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
