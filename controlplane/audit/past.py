"""What was known at a moment: the newest entry of each setting of each object before it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from controlplane.audit.models import Entry

# Kinds of entries that tell of the object itself; the others tell of operations and decisions about it.
OF_THE_OBJECT = Q()
for _verb in ("added", "changed", "gone", "back"):
    OF_THE_OBJECT |= Q(kind__endswith=f".{_verb}")
AT_A_TIME = 2000


@dataclass
class Known:
    """One object as it was known: {path: value}, and when its newest entry was written."""

    object_id: str
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def is_gone(self) -> bool:
        return bool(self.settings.get("gone"))


@dataclass(frozen=True)
class Span:
    """Which agent answered a number: from a moment until the next one; None where that is how it is now."""

    agent_id: str
    agent_name: str
    begins: datetime
    ends: datetime | None
    entry_id: int


def state_at(object_type: str, moment: datetime) -> dict[str, Known]:
    """Every object of a type that was known then, by remote id; those that were gone by then say so."""
    known: dict[str, Known] = {}
    for entry in _told(object_type).filter(at__lte=moment).order_by("pk").iterator(chunk_size=AT_A_TIME):
        one = known.setdefault(entry.object_id, Known(entry.object_id))
        one.name, one.since = entry.object_name, entry.at
        _apply(one.settings, entry)
    return known


def bindings_of(number_id: str) -> Iterator[Span]:
    """Which agent answered this number when, the oldest first."""
    current: Span | None = None
    shown: dict[str, Any] = {}
    for entry in _told("number").filter(object_id=number_id).order_by("pk"):
        _apply(shown, entry)
        agent_id = "" if shown.get("gone") else shown.get("agent_id") or ""
        if current is not None and current.agent_id != agent_id:
            yield replace(current, ends=entry.at)
            current = None
        if current is None and agent_id:
            current = Span(agent_id, shown.get("agent_name") or "", entry.at, None, entry.pk)
    if current is not None:
        yield current


def _told(object_type: str) -> QuerySet[Entry]:
    return Entry.objects.filter(OF_THE_OBJECT, object_type=object_type)


def _apply(settings: dict[str, Any], entry: Entry) -> None:
    for path in entry.before.keys() - entry.after.keys():
        settings.pop(path, None)
    settings.update(entry.after)
