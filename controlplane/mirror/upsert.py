"""Compares and saves mirrored rows, with their history entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from controlplane import bulk_insert
from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, RemoteObject, SyncRun
from controlplane.mirror.readings import Reading
from controlplane.mirror.write_log import writes

Row = TypeVar("Row", bound=RemoteObject)


@dataclass
class Change:
    """A row to write. The new values are already set on it."""

    row: RemoteObject
    new: bool
    fields: list[str]
    entry: Entry | None  # None: only values changed that the history does not record (a last call, a version id)


def digest(data: Any) -> str:
    """Hash of JSON that does not depend on the order of keys; "" if the data is nested too deep."""
    try:
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    except (RecursionError, ValueError):
        return ""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def compare(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> Change | None:
    """Set the values ({model field: value}) that differ on the row. Returns None if there are none.

    A new row is always a change.
    """
    new = row._state.adding
    before = {} if new else row.audit_snapshot()
    updates = dict(values)
    if "remote_data" in updates:
        updates["digest"] = digest(updates["remote_data"])
        if updates["digest"] == row.digest != "":
            del updates["remote_data"]  # PostgreSQL returns 1e30 as an integer, which does not compare as equal
    differing = [name for name, value in updates.items() if getattr(row, name) != value]
    if not new and not differing:
        return None
    for name in differing:
        setattr(row, name, updates[name])
    return Change(row, new, differing, _entry(row, before, cause))


def write(changes: Sequence[Change]) -> None:
    """Save rows of one model with their history entries, in the caller's transaction."""
    new = [change.row for change in changes if change.new]
    bulk_insert.insert(new)
    for change in changes:
        if not change.new:
            change.row.save(update_fields=change.fields)
    ledger.record(*(change.entry for change in changes if change.entry is not None))


def row_of(model: type[Row], remote_id: str) -> Row:
    """The row, locked until the transaction ends, or a new unsaved one."""
    locked = model._default_manager.select_for_update().filter(remote_id=remote_id).first()
    return locked or model(remote_id=remote_id)


def save(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause, reading: Reading | None = None) -> bool:
    """Update one row, in one transaction with its history entry. True if anything differed.

    A reading that is older than the row is ignored.
    """
    if reading is not None and _is_outdated(row, reading):
        return False
    if cause.kind == Entry.Cause.SYNC and not row._state.adding and not row.audit_snapshot():
        cause = writes().unread_creation(row.object_type, row.remote_id) or cause  # now it was read
    return _save(compare(row, values, cause=cause))


def _is_outdated(row: RemoteObject, reading: Reading) -> bool:
    return not reading.has_lock and writes().is_outdated(row.object_type, row.remote_id, reading)


def _save(change: Change | None) -> bool:
    """Save a change found outside of a sync. A read before or after a write may find an external change, too."""
    if change is None:
        return False
    with transaction.atomic(savepoint=False):
        write([change])
        entries = unexplained([change])
        complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).values_list("started_at", flat=True)
        known_since = complete.first() if entries else None
        if known_since is not None:  # before the first complete run, all data is initial data
            ended = writes().last_done(change.row.object_type, change.row.remote_id, known_since)
            record_external_change(entries, {change.row.remote_id: ended or known_since}, None)
    return True


def unexplained(changes: Sequence[Change]) -> list[Entry]:
    """Entries of external changes. Learning more about an object than its name or id does not count as a change."""
    return [
        change.entry
        for change in changes
        if change.entry is not None
        and change.entry.cause == Entry.Cause.SYNC
        and not _only_new_knowledge(change, change.entry)
    ]


def _only_new_knowledge(change: Change, entry: Entry) -> bool:
    if change.new:
        return bool(entry.after.get("gone"))
    return entry.kind.endswith(".added") or {*entry.before, *entry.after} == {"agent_name"}


def record_external_change(entries: Sequence[Entry], since: Mapping[str, datetime | None], run: SyncRun | None) -> None:
    """Store external changes for review; `since` is {remote id: when it was last known to be unchanged}."""
    OutsideChange.objects.bulk_create(
        OutsideChange(
            entry=entry,
            object_type=entry.object_type,
            object_id=entry.object_id,
            since=since.get(entry.object_id),
            run=run,
        )
        for entry in entries
    )


def _entry(row: RemoteObject, before: dict[str, Any], cause: ledger.Cause) -> Entry | None:
    after = row.audit_snapshot()
    paths = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    if not paths:
        return None
    if after.get("gone"):
        verb = "gone"
    elif before.get("gone"):
        verb = "back"
    elif not before:
        verb = "added"
    else:
        verb = "changed"
    return ledger.entry(
        f"{row.object_type}.{verb}",
        row.object_type,
        row.remote_id,
        row.display_name(),
        before={path: before[path] for path in paths if path in before},
        after={path: after[path] for path in paths if path in after},
        cause=cause,
    )


def gone_update(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> Change | None:
    """Mark the row as deleted; it stays as a tombstone. None if it already is."""
    return None if row.gone_at is not None else compare(row, {**values, "gone_at": timezone.now()}, cause=cause)


def mark_gone(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> bool:
    return _save(None if row._state.adding else gone_update(row, values, cause=cause))
