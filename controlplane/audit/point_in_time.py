"""The state of any object at a past moment, from its history. Where history was pruned, a snapshot replaces the
removed entries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Max, Q, QuerySet

from controlplane.audit.models import Cut, Entry, Snapshot

# entries about the object itself; the others are about operations and decisions
OBJECT_VERBS = ("added", "changed", "gone", "back")
ENTRY_COLUMNS = ("pk", "kind", "object_id", "object_name", "at", "before", "after", "actor_name", "cause")
BATCH_ROWS = 5000


class HistoryPruned(Exception):
    """The moment lies in history that was pruned."""


@dataclass
class KnownState:
    """The known state of one object: {path: value}, and when its newest entry was written."""

    object_id: str
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    is_gone: bool = False
    entry_id: int = 0  # the newest entry applied


@dataclass(frozen=True)
class Span:
    """Which agent answered a number ("" for none), from `begins` until `ends`. `begins` is None if the span began in
    history that was pruned; `ends` is None for the current span."""

    agent_id: str
    agent_name: str
    begins: datetime | None
    ends: datetime | None = None
    is_gone: bool = False  # the number itself
    entry_id: int | None = None  # the entry that began it
    actor_name: str = ""
    cause: str = ""


def history_begins_at() -> datetime | None:
    """The earliest moment whose state is known; None if nothing was pruned."""
    cut = Cut.objects.first()
    return cut.before if cut else None


def state_at(object_type: str, moment: datetime, paths: Sequence[str]) -> dict[str, KnownState]:
    """Every object of a type known at `moment`, with these settings, by remote id. Objects that were gone by then have
    `is_gone` set. Raises `HistoryPruned`."""
    known = {one.object_id: one for one in _snapshots(object_type, moment, paths)}
    for entry in _needed(object_type, moment, paths):
        one = known.setdefault(entry["object_id"], KnownState(entry["object_id"]))
        apply(one, entry)
    for one in known.values():
        one.settings = {path: one.settings[path] for path in paths if path in one.settings}
    return known


def object_at(object_type: str, object_id: str, moment: datetime) -> KnownState | None:
    """One object with all its settings. Raises `HistoryPruned`."""
    known = next(iter(_snapshots(object_type, moment, None, object_id=object_id)), None)
    for entry in entries_of(object_type, [object_id]).filter(at__lte=moment):
        known = known or KnownState(object_id)
        apply(known, entry)
    return known


def bindings_of(number_id: str) -> Iterator[Span]:
    """Which agent answered this number and when, oldest first, including the times when none did."""
    cut = history_begins_at()
    known = next(iter(_snapshots("number", cut, None, object_id=number_id)), None) if cut else None
    current = _span(known, None) if known else None
    known = known or KnownState(number_id)
    for entry in entries_of("number", [number_id]):
        if entry["pk"] <= known.entry_id:
            continue
        apply(known, entry)
        span = _span(known, entry)
        if current is None:
            current = span
        elif (current.agent_id, current.is_gone) != (span.agent_id, span.is_gone):
            yield replace(current, ends=entry["at"])
            current = span
        elif not current.agent_name:  # the name was learned after the binding
            current = replace(current, agent_name=span.agent_name)
    if current is not None:
        yield current


def _span(known: KnownState, entry: dict[str, Any] | None) -> Span:
    agent_id = "" if known.is_gone else known.settings.get("agent_id") or ""
    name = known.settings.get("agent_name") or "" if agent_id else ""
    if entry is None:
        return Span(agent_id, name, None, is_gone=known.is_gone)
    about = {"entry_id": entry["pk"], "actor_name": entry["actor_name"], "cause": entry["cause"]}
    return Span(agent_id, name, entry["at"], is_gone=known.is_gone, **about)


def from_snapshot(row: Snapshot, paths: Sequence[str] | None = None) -> KnownState:
    settings = row.settings if paths is None else {path: row.settings[path] for path in paths if path in row.settings}
    return KnownState(row.object_id, row.object_name, settings, row.since, bool(row.settings.get("gone")), row.entry_id)


def _snapshots(object_type: str, moment: datetime, paths: Sequence[str] | None, **which: str) -> Iterator[KnownState]:
    cut = Cut.objects.first()
    if cut is None:
        return
    if moment < cut.before:
        raise HistoryPruned
    rows = Snapshot.objects.filter(cut=cut.position, object_type=object_type, **which)
    for row in rows.iterator(chunk_size=500):
        yield from_snapshot(row, paths)


def _needed(object_type: str, moment: datetime, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The newest entry of each object and the newest entry for each path, in order; older ones add nothing. Selected in
    one pass by the database, because there may be a hundred times as many."""
    newest = {
        f"path_{at}": Max("pk", filter=Q(after__has_key=path) | Q(before__has_key=path))
        for at, path in enumerate(paths)
    }
    # Filter by kind only: with `object_type` too, SQLite would walk an index and fetch each row from elsewhere.
    entries = Entry.objects.filter(kind__in=_kinds(object_type), at__lte=moment).order_by()
    rows = entries.values("object_id").annotate(newest=Max("pk"), **newest).values_list("newest", *newest)
    pks = sorted({pk for row in rows for pk in row if pk is not None})
    for at in range(0, len(pks), BATCH_ROWS):
        yield from Entry.objects.filter(pk__in=pks[at : at + BATCH_ROWS]).order_by("pk").values(*ENTRY_COLUMNS)


def entries_of(object_type: str, object_ids: Sequence[str]) -> QuerySet[Entry, dict[str, Any]]:
    """All entries about these objects, in order, as dicts of `ENTRY_COLUMNS`."""
    entries = Entry.objects.filter(object_type=object_type, object_id__in=object_ids, kind__in=_kinds(object_type))
    rows: QuerySet[Entry, dict[str, Any]] = entries.order_by("pk").values(*ENTRY_COLUMNS)
    return rows


def _kinds(object_type: str) -> list[str]:
    return [f"{object_type}.{verb}" for verb in OBJECT_VERBS]


def apply(one: KnownState, entry: dict[str, Any]) -> None:
    """Apply the next entry to the state. Entries that the snapshot already includes are skipped."""
    if entry["pk"] <= one.entry_id:
        return
    one.name, one.since, one.entry_id = entry["object_name"], entry["at"], entry["pk"]
    one.is_gone = entry["kind"].endswith(".gone")
    for path in entry["before"].keys() - entry["after"].keys():
        one.settings.pop(path, None)
    one.settings.update(entry["after"])
