"""Marks objects as deleted: missing from two complete listings, and 404 each time."""

from datetime import datetime

from controlplane.elevenlabs import ElevenLabsError, NotFound
from controlplane.mirror import fetch, holds
from controlplane.mirror.models import Hold
from controlplane.mirror.outages import OutageDetector
from controlplane.mirror.source import Observation
from controlplane.mirror.write_log import writes
from controlplane.mirror.writer import MirrorWriter

BATCH_ROWS = 50


def verify_missing(writer: MirrorWriter, not_listed: set[str]) -> tuple[dict[str, datetime | None], str]:
    """({id: missing since} of the ids that should have been listed, ""), or ({}, reason) if they are held."""
    collection, run = writer.collection, writer.lease.run
    rows: dict[str, datetime | None] = {}
    if not_listed := not_listed - writes().touched_since(collection.object_type, run.started_at):
        rows = dict(collection.listable().values_list("remote_id", "missing_since").iterator())
    unseen = {remote_id: since for remote_id, since in rows.items() if remote_id in not_listed}
    newly = [remote_id for remote_id, since in unseen.items() if since is None]
    if holds.too_many(len(newly), len(rows)):
        expected = holds.accepted_missing(collection.what) | _from_old_workspace(writer, newly)
        unexpected = [remote_id for remote_id in newly if remote_id not in expected]
        if holds.too_many(len(unexpected), len(rows)):
            return {}, holds.hold_missing(writer.lease, collection.what, unexpected, len(rows))
    holds.close_resolved(writer.lease, Hold.Kind.VANISHED, collection.what)
    return unseen, ""


def _from_old_workspace(writer: MirrorWriter, remote_ids: list[str]) -> set[str]:
    changed_at = holds.workspace_changed_at()
    if changed_at is None:
        return set()
    rows = writer.collection.model._default_manager.filter(first_seen__lt=changed_at, remote_id__in=remote_ids)
    return set(rows.values_list("remote_id", flat=True))


def verify_by_id(writer: MirrorWriter, unseen: dict[str, datetime | None]) -> tuple[list[str], str]:
    """GET each by its id. Returns (ids that answered 404, ""), or ([], reason) if the reads could not be finished."""
    try:
        return _look_up(writer, unseen), ""
    except ElevenLabsError as error:
        return [], f"What is missing from the list of {writer.collection.what} could not be looked up. {error}"


def _look_up(writer: MirrorWriter, unseen: dict[str, datetime | None]) -> list[str]:
    collection = writer.collection
    writer.lease.phase(f"looking up {collection.what} that are missing", len(unseen))
    outage = OutageDetector(writer.quarantine)
    not_found: list[str] = []
    found: list[Observation] = []
    for remote_id, asked_at, answer in fetch.read_each(unseen, lambda id_: collection.details(writer.client, id_)):
        writer.lease.hold(done=1)
        if isinstance(answer, NotFound):
            outage.over()
            not_found.append(remote_id)
        elif isinstance(answer, ElevenLabsError):
            if outage.stops(remote_id, answer):
                raise answer
        else:
            outage.over()
            found.append(Observation(remote_id, answer, asked_at))
        if len(found) >= BATCH_ROWS:
            writer.keep(found)
            found = []
    writer.keep(found)
    return not_found


def confirm_deletions(writer: MirrorWriter, unseen: dict[str, datetime | None], not_found: list[str]) -> None:
    """Mark what answered 404 as missing, or as deleted if it was missing before. Only for complete runs."""
    for batch in _batches([remote_id for remote_id in not_found if unseen[remote_id] is None]):
        writer.mark_missing(batch)
    for batch in _batches([remote_id for remote_id in not_found if unseen[remote_id] is not None]):
        writer.mark_deleted(batch)


def _batches(remote_ids: list[str]) -> list[list[str]]:
    return [remote_ids[start : start + BATCH_ROWS] for start in range(0, len(remote_ids), BATCH_ROWS)]
