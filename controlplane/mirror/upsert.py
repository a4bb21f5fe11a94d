"""Compares and saves mirrored rows, with their history entry."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from controlplane import bulk_insert
from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, RemoteObject, SyncRun
from controlplane.operations.journal import cause_of
from controlplane.operations.models import OPEN_STATES, Operation
from controlplane.operations.models import State as OperationState

Row = TypeVar("Row", bound=RemoteObject)


@dataclass(frozen=True)
class Reading:
    """When something was read (the moment before the request) and by which operation, if by one."""

    asked_at: datetime
    operation: int = 0

    @classmethod
    def by(cls, op: Operation) -> "Reading":
        return cls(op.asked_at or op.created_at, op.pk)

    def is_older_than(self, row: RemoteObject) -> bool:
        """Is another operation on this very object open, or has one ended since? To be called while the row is locked
        (see `row_of`): one that ends later waits for it. What makes an object locks its name, not its id, and a poll
        locks nothing, so that both may come late with what they read."""
        lately = Q(state__in=OPEN_STATES) | Q(ended_at__gte=self.asked_at)
        on_it = Operation.objects.filter(lately, object_type=row.object_type, object_id=row.remote_id)
        return on_it.filter(resource=f"{row.object_type}:{row.remote_id}").exclude(pk=self.operation).exists()


@dataclass
class Change:
    """One row that is to be written, its values set already."""

    row: RemoteObject
    new: bool
    fields: list[str]
    entry: Entry | None  # None: only bookkeeping moved (a last call, a version id), nothing to tell


def digest(data: Any) -> str:
    """The same for the same JSON, in whichever order its keys come; "" for what is nested too deep to be told."""
    try:
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    except (RecursionError, ValueError):
        return ""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def compare(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> Change | None:
    """Set what differs on the row. `values` are model fields. A new row is always a change."""
    new = row._state.adding
    before = {} if new else row.audit_snapshot()
    wanted = dict(values)
    if "remote_data" in wanted:
        wanted["digest"] = digest(wanted["remote_data"])
        if wanted["digest"] == row.digest != "":
            del wanted["remote_data"]  # PostgreSQL gives 1e30 back as a whole number, which is not quite the same
    differing = [name for name, value in wanted.items() if getattr(row, name) != value]
    if not new and not differing:
        return None
    for name in differing:
        setattr(row, name, wanted[name])
    return Change(row, new, differing, _entry(row, before, cause))


def write(changes: Sequence[Change]) -> None:
    """Write rows of one model with their ledger entries, in the caller's transaction."""
    new = [change.row for change in changes if change.new]
    bulk_insert.insert(new)
    for change in changes:
        if not change.new:
            change.row.save(update_fields=change.fields)
    ledger.record(*(change.entry for change in changes if change.entry is not None))


def row_of(model: type[Row], remote_id: str) -> Row:
    """The row, held until the transaction ends, so that what is compared with it is what stands there; or a new one."""
    held = model._default_manager.select_for_update().filter(remote_id=remote_id).first()
    return held or model(remote_id=remote_id)


def save(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause, reading: Reading | None = None) -> bool:
    """Bring one row to these values, in one transaction with its ledger entry; True if anything differed. What is
    older than the row is not kept: see `Reading`."""
    if reading is not None and reading.is_older_than(row):
        return False
    if cause.kind == Entry.Cause.SYNC and not row._state.adding and not row.audit_snapshot():
        cause = _created_by_operation(row) or cause
    return _save(compare(row, values, cause=cause))


def _created_by_operation(row: RemoteObject) -> ledger.Cause | None:
    """The operation that made what is known by its name alone: it could not read it, and another one does so now."""
    on_it = Operation.objects.filter(object_type=row.object_type, object_id=row.remote_id)
    unread = on_it.filter(state=OperationState.DONE, observed__isnull=True)
    maker = unread.exclude(resource=f"{row.object_type}:{row.remote_id}").first()
    return None if maker is None else cause_of(maker)


def _save(change: Change | None) -> bool:
    """Outside of a sync too a look at the remote may come upon what somebody else did: ahead of a write, or after."""
    if change is None:
        return False
    with transaction.atomic():
        write([change])
        entries = unexplained([change])
        known_since = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).values_list("started_at", flat=True).first()
        if entries and known_since is not None:  # what the first picture shows is no change
            one = {"object_type": change.row.object_type, "object_id": change.row.remote_id}
            done = Operation.objects.filter(**one, state=OperationState.DONE, ended_at__gt=known_since)
            ended = done.order_by("-ended_at").values_list("ended_at", flat=True).first()
            record_external_change(entries, {change.row.remote_id: ended or known_since}, None)
    return True


def unexplained(changes: Sequence[Change]) -> list[Entry]:
    """What somebody else changed. That we come to know more of an object than its name or its id is no change of it."""
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
    """Keep these for somebody to decide; `since` is {remote id: when it was last known to be as before}."""
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
    """The remote object is gone: the row stays as a tombstone."""
    return None if row.gone_at is not None else compare(row, {**values, "gone_at": timezone.now()}, cause=cause)


def mark_gone(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> bool:
    return _save(None if row._state.adding else gone_update(row, values, cause=cause))
