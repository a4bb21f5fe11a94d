"""Writes observed objects to the mirror in batches, in one transaction with the renewal of the run's lease."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import BadShape, ElevenLabs, unstorable
from controlplane.mirror import upsert
from controlplane.mirror.models import RemoteObject
from controlplane.mirror.runs import Lease
from controlplane.mirror.source import Explain, Observation, ResourceSource

# What one object may do to us that is about that object alone. ValueError: also half a character.
BAD_ROW = (BadShape, DataError, IntegrityError, OverflowError, ValueError)


@dataclass
class MirrorWriter:
    """Stores what one run sees of one collection."""

    collection: ResourceSource
    lease: Lease
    client: ElevenLabs
    cause: Cause
    first_picture: bool  # nothing was known before, so nothing changed either

    def keep(self, seen: Sequence[Observation]) -> set[str]:
        """Bring the mirror to these; which are new here. One that cannot be kept is left out; the rest goes on."""
        good = [one for one in seen if self._is_storable(one)]
        try:
            return self._prepare_and_store(good)
        except BAD_ROW:
            new: set[str] = set()
            for one in good:
                try:
                    new |= self._prepare_and_store([one])
                except BadShape as error:
                    self.leave_out(one.remote_id, str(error))
                except BAD_ROW as error:
                    self.leave_out(one.remote_id, f"the database refused it ({type(error).__name__})")
            return new

    def leave_out(self, remote_id: object, why: str) -> None:
        self.lease.leave_out(self.collection.what, remote_id, why)

    def _is_storable(self, one: Observation) -> bool:
        why = unstorable(one.data)
        if why:
            self.leave_out(one.remote_id, why)
        return not why

    def _prepare_and_store(self, seen: Sequence[Observation]) -> set[str]:
        if not seen:
            return set()
        self.collection.prepare(seen, self)
        return self._store(seen)

    def _store(self, seen: Sequence[Observation]) -> set[str]:
        with transaction.atomic():
            rows = self._locked(one.remote_id for one in seen)
            # Only now: an operation that ended before we had the rows is known, one that ends later waits for them.
            touched = self.collection.touched_since(min(one.asked_at for one in seen))
            explain = self.collection.explain()
            changes = []
            for one in seen:
                if one.remote_id in touched:
                    continue
                row = rows.get(one.remote_id) or self.collection.model(remote_id=one.remote_id)
                change = self._compare(row, one, explain)
                if change is not None:
                    changes.append(change)
            upsert.write(changes)
            self._note_outside_changes(changes)
            new = {change.row.remote_id for change in changes if change.new}
            self.lease.run.added += len(new)
            self.lease.run.changed += sum(not change.new and change.entry is not None for change in changes)
            self.lease.fence()
        return new

    def _compare(self, row: RemoteObject, one: Observation, explain: Explain) -> upsert.Change | None:
        before = None if row._state.adding else row.remote_data
        values = self.collection.values(row, one)
        cause = self.cause
        if "remote_data" in values and values["remote_data"] != before:
            cause = explain(one.remote_id, values["remote_data"], before) or cause
        return upsert.compare(row, values, cause=cause)

    def bury(self, remote_ids: Iterable[str]) -> None:
        """These are gone: the rows stay as tombstones."""
        with transaction.atomic():
            rows = self._locked(remote_ids)
            touched = self.collection.touched_since(self.lease.run.started_at)
            explain = self.collection.explain()
            changes = [
                upsert.gone_update(row, self.collection.gone_values(), cause=explain(row.remote_id, None) or self.cause)
                for row in rows.values()
                if row.gone_at is None and row.remote_id not in touched
            ]
            written = [change for change in changes if change is not None]
            upsert.write(written)
            self._note_outside_changes(written)
            self.lease.run.gone += len(written)
            self.lease.fence()

    def mark_missing(self, remote_ids: Sequence[str]) -> None:
        """Bookkeeping of ours, no change at the remote: not told in the ledger."""
        rows = self.collection.model._default_manager.filter(remote_id__in=remote_ids, missing_since=None, gone_at=None)
        with transaction.atomic():
            rows.update(missing_since=timezone.now())
            self.lease.fence()

    def details_were_read(self, tried: Mapping[str, datetime]) -> None:
        """`tried` is {remote id: when it was asked for}."""
        with transaction.atomic():
            self.collection.details_were_read(list(tried), min(tried.values()))
            self.lease.fence()

    def _locked(self, remote_ids: Iterable[str]) -> dict[str, RemoteObject]:
        """The rows, held until the transaction ends. (On SQLite the transaction itself holds all of them.)"""
        rows = self.collection.rows().select_for_update()
        return {row.remote_id: row for row in rows.filter(remote_id__in=list(remote_ids)).order_by("pk")}

    def _note_outside_changes(self, changes: Sequence[upsert.Change]) -> None:
        """What no operation explains is kept for somebody to decide; what the first picture shows is no change."""
        entries = upsert.unexplained(changes)
        if not entries or self.first_picture:
            return
        complete = self.lease.before()
        written = self.collection.last_writes(entry.object_id for entry in entries)
        known = {change.row.remote_id: self.collection.known_as_of(change.row, complete) for change in changes}
        since = {
            entry.object_id: max(filter(None, [known[entry.object_id], written.get(entry.object_id)]), default=None)
            for entry in entries
        }
        upsert.record_external_change(entries, since, self.lease.run)
