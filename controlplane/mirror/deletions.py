"""Marks objects as deleted: missing from two complete listings, and 404 each time."""

from datetime import datetime

from controlplane.elevenlabs import ElevenLabsError, NotFound
from controlplane.mirror import fetch, holds
from controlplane.mirror.models import Hold
from controlplane.mirror.outages import OutageDetector
from controlplane.mirror.source import Observation
from controlplane.mirror.writer import MirrorWriter

BATCH_ROWS = 50


def verify_missing(writer: MirrorWriter, not_listed: set[str]) -> tuple[dict[str, datetime | None], str]:
    """Those of these ids that should have been listed, with since when; or none, and why they are held."""
    collection, run = writer.collection, writer.lease.run
    rows: dict[str, datetime | None] = {}
    if not_listed := not_listed - collection.touched_since(run.started_at):
        rows = dict(collection.listable().values_list("remote_id", "missing_since").iterator())
    unseen = {remote_id: since for remote_id, since in rows.items() if remote_id in not_listed}
    newly = [remote_id for remote_id, since in unseen.items() if since is None]
    if holds.too_many(len(newly), len(rows)):
        expected = holds.accepted_missing(collection.what) | _of_another_workspace(writer, newly)
        surprising = [remote_id for remote_id in newly if remote_id not in expected]
        if holds.too_many(len(surprising), len(rows)):
            return {}, holds.hold_missing(writer.lease, collection.what, surprising, len(rows))
    holds.close_resolved(writer.lease, Hold.Kind.VANISHED, collection.what)
    return unseen, ""


def _of_another_workspace(writer: MirrorWriter, remote_ids: list[str]) -> set[str]:
    moved = holds.workspace_changed_at()
    if moved is None:
        return set()
    rows = writer.collection.model._default_manager.filter(first_seen__lt=moved, remote_id__in=remote_ids)
    return set(rows.values_list("remote_id", flat=True))


def verify_by_id(writer: MirrorWriter, unseen: dict[str, datetime | None]) -> tuple[list[str], str]:
    """Ask for each by its id. Which got 404; and why it could not be done to the end, in words."""
    try:
        return _look_up(writer, unseen), ""
    except ElevenLabsError as error:
        return [], f"What is missing from the list of {writer.collection.what} could not be looked up. {error}"


def _look_up(writer: MirrorWriter, unseen: dict[str, datetime | None]) -> list[str]:
    collection = writer.collection
    writer.lease.phase(f"looking up {collection.what} that are missing", len(unseen))
    trouble = OutageDetector(writer)
    not_found: list[str] = []
    there: list[Observation] = []
    for remote_id, asked_at, answer in fetch.each(unseen, lambda one: collection.details(writer.client, one)):
        writer.lease.hold(done=1)
        if isinstance(answer, NotFound):
            trouble.over()
            not_found.append(remote_id)
        elif isinstance(answer, ElevenLabsError):
            if trouble.stops(remote_id, answer):
                raise answer
        else:
            trouble.over()
            there.append(Observation(remote_id, answer, asked_at))
        if len(there) >= BATCH_ROWS:
            writer.keep(there)
            there = []
    writer.keep(there)
    return not_found


def confirm_deletions(writer: MirrorWriter, unseen: dict[str, datetime | None], not_found: list[str]) -> None:
    """The run is complete: what got 404 is missing, and gone if it was missing before."""
    for some in _parts([remote_id for remote_id in not_found if unseen[remote_id] is None]):
        writer.mark_missing(some)
    for some in _parts([remote_id for remote_id in not_found if unseen[remote_id] is not None]):
        writer.bury(some)


def _parts(remote_ids: list[str]) -> list[list[str]]:
    return [remote_ids[start : start + BATCH_ROWS] for start in range(0, len(remote_ids), BATCH_ROWS)]
