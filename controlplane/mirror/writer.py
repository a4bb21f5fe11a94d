"""Writes observed objects to the mirror in batches, in one transaction with the renewal of the run's lease."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, NotFound, unstorable
from controlplane.mirror import upsert
from controlplane.mirror.models import RemoteObject
from controlplane.mirror.outages import STOPPING
from controlplane.mirror.runs import Lease
from controlplane.mirror.source import Observation, Reference, ResourceSource
from controlplane.mirror.write_log import Explain, writes

log = logging.getLogger(__name__)

# Errors that concern a single object. ValueError includes half a surrogate pair.
BAD_ROW = (BadShape, DataError, IntegrityError, OverflowError, ValueError)


@dataclass
class MirrorWriter:
    """Stores what one run observes of one collection."""

    collection: ResourceSource
    lease: Lease
    client: ElevenLabs
    cause: Cause
    is_first_sync: bool  # initial data: differences are not external changes

    def keep(self, seen: Sequence[Observation]) -> set[str]:
        """Store these objects, and quarantine those that cannot be stored. Returns the ids that were not mirrored."""
        storable = [observation for observation in seen if self._is_storable(observation)]
        try:
            return self._prepare_and_store(storable)
        except BAD_ROW:
            new: set[str] = set()
            for observation in storable:
                try:
                    new |= self._prepare_and_store([observation])
                except BadShape as error:
                    self.quarantine(observation.remote_id, str(error))
                except BAD_ROW as error:
                    self.quarantine(observation.remote_id, f"the database refused it ({type(error).__name__})")
            return new

    def quarantine(self, remote_id: object, why: str) -> None:
        self.lease.quarantine(self.collection.what, remote_id, why)

    def _is_storable(self, observation: Observation) -> bool:
        reason = unstorable(observation.data)
        if reason:
            self.quarantine(observation.remote_id, reason)
        return not reason

    def _prepare_and_store(self, seen: Sequence[Observation]) -> set[str]:
        if not seen:
            return set()
        for reference in self.collection.references(seen):
            self._resolve(reference)
        return self._store(seen)

    def _resolve(self, reference: Reference) -> None:
        """Read and store an object that others name. If that fails, they are stored all the same."""
        asked_at = timezone.now()
        try:
            data = reference.source.details(self.client, reference.remote_id)
        except NotFound:
            with transaction.atomic():
                reference.source.store_deleted(reference.remote_id, reference.name, self.cause)
                self.lease.renew()
        except STOPPING:
            raise
        except ElevenLabsError as error:
            log.warning(
                "The %s %s, which others name, could not be read: %s",
                reference.source.object_type,
                reference.remote_id,
                error,
            )
        else:
            observation = Observation(reference.remote_id, data, asked_at)
            replace(self, collection=reference.source).keep([observation])

    def _store(self, seen: Sequence[Observation]) -> set[str]:
        with transaction.atomic():
            rows = self._lock_rows(observation.remote_id for observation in seen)
            # After the lock: an operation that has ended is found, and one that ends later waits for the rows.
            asked_at = min(observation.asked_at for observation in seen)
            touched = writes().touched_since(self.collection.object_type, asked_at)
            explain = writes().late_effects(self.collection.object_type)
            changes = []
            for observation in seen:
                remote_id = observation.remote_id
                if remote_id in touched:
                    continue
                row = rows.get(remote_id) or self.collection.model(remote_id=remote_id)
                change = self._compare(row, observation, explain)
                if change is not None:
                    changes.append(change)
            upsert.write(changes)
            self._note_outside_changes(changes)
            new = {change.row.remote_id for change in changes if change.new}
            self.lease.run.added += len(new)
            self.lease.run.changed += sum(not change.new and change.entry is not None for change in changes)
            self.lease.renew()
        return new

    def _compare(self, row: RemoteObject, observation: Observation, explain: Explain) -> upsert.Change | None:
        before = None if row._state.adding else row.remote_data
        values = self.collection.values(row, observation)
        cause = self.cause
        if "remote_data" in values and values["remote_data"] != before:
            cause = explain(observation.remote_id, values["remote_data"], before) or cause
        return upsert.compare(row, values, cause=cause)

    def mark_deleted(self, remote_ids: Iterable[str]) -> None:
        """Mark these as deleted; the rows stay as tombstones."""
        with transaction.atomic():
            rows = self._lock_rows(remote_ids)
            touched = writes().touched_since(self.collection.object_type, self.lease.run.started_at)
            explain = writes().late_effects(self.collection.object_type)
            updates = [
                upsert.gone_update(row, self.collection.gone_values(), cause=explain(row.remote_id, None) or self.cause)
                for row in rows.values()
                if row.gone_at is None and row.remote_id not in touched
            ]
            changes = [change for change in updates if change is not None]
            upsert.write(changes)
            self._note_outside_changes(changes)
            self.lease.run.gone += len(changes)
            self.lease.renew()

    def mark_missing(self, remote_ids: Sequence[str]) -> None:
        """Set `missing_since`. Nothing has changed at the remote, so there is no history entry."""
        rows = self.collection.model._default_manager.filter(remote_id__in=remote_ids, missing_since=None, gone_at=None)
        with transaction.atomic():
            rows.update(missing_since=timezone.now())
            self.lease.renew()

    def record_details_read(self, tried: Mapping[str, datetime]) -> None:
        """`tried` is {remote id: when it was requested}."""
        with transaction.atomic():
            self.collection.record_details_read(list(tried), min(tried.values()))
            self.lease.renew()

    def _lock_rows(self, remote_ids: Iterable[str]) -> dict[str, RemoteObject]:
        """The rows, locked until the transaction ends. (On SQLite the transaction itself locks all of them.)"""
        rows = self.collection.rows().select_for_update()
        return {row.remote_id: row for row in rows.filter(remote_id__in=list(remote_ids)).order_by("pk")}

    def _note_outside_changes(self, changes: Sequence[upsert.Change]) -> None:
        """Store changes that no operation explains for review, unless they are initial data."""
        entries = upsert.unexplained(changes)
        if not entries or self.is_first_sync:
            return
        complete = self.lease.before()
        written = writes().last_ended(self.collection.object_type, (entry.object_id for entry in entries))
        known = {change.row.remote_id: self.collection.known_as_of(change.row, complete) for change in changes}
        since = {
            entry.object_id: max(filter(None, [known[entry.object_id], written.get(entry.object_id)]), default=None)
            for entry in entries
        }
        upsert.record_external_change(entries, since, self.lease.run)
