"""The one door into the mirror: compare, save what differs, write the ledger with its cause."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.mirror.models import RemoteObject


def save(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> bool:
    """Bring one row to these values, in one transaction with its ledger entry; True if anything differed.

    `values` are model fields. A new row is always written; an old one only where it differs.
    """
    new = row._state.adding
    before = {} if new else row.told()
    differing = [name for name, value in values.items() if getattr(row, name) != value]
    if not new and not differing:
        return False
    for name in differing:
        setattr(row, name, values[name])
    with transaction.atomic():
        row.save(force_insert=new, update_fields=None if new else differing)
        _tell(row, before, cause)
    return True


def _tell(row: RemoteObject, before: dict[str, Any], cause: ledger.Cause) -> None:
    after = row.told()
    paths = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    if not paths:
        return  # only bookkeeping of the remote moved (a last call, a version id): nothing to tell
    if after.get("gone"):
        verb = "gone"
    elif before.get("gone"):
        verb = "back"
    elif not before:
        verb = "added"
    else:
        verb = "changed"
    ledger.record(
        ledger.entry(
            f"{row.object_type}.{verb}",
            row.object_type,
            row.remote_id,
            row.display_name(),
            before={path: before[path] for path in paths if path in before},
            after={path: after[path] for path in paths if path in after},
            cause=cause,
        )
    )


def bury(row: RemoteObject, values: Mapping[str, Any], *, cause: ledger.Cause) -> bool:
    """The remote object is gone: keep the row as a tombstone."""
    if row.gone_at is not None:
        return False
    return save(row, {**values, "gone_at": timezone.now()}, cause=cause)
