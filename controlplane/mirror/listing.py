"""Reads a whole list and stores what differs, page by page."""

from datetime import datetime
from itertools import chain
from typing import Any

from controlplane.elevenlabs import ElevenLabsError, NotFound, is_id
from controlplane.mirror import fetch
from controlplane.mirror.outages import OutageDetector
from controlplane.mirror.source import Observation
from controlplane.mirror.writer import MirrorWriter

BATCH_OBJECTS = 20  # details stored together; an agent contains each of its numbers, so a single one may be large

Listed = dict[str, tuple[datetime, dict[str, Any]]]


def read(writer: MirrorWriter) -> tuple[set[str], str]:
    """Read and store one collection. Returns (ids that were mirrored but not listed, problem).

    The problem is a message about why the list or the details could not be read completely, or "".
    """
    collection, lease = writer.collection, writer.lease
    expected: set[str] = set()
    seen: set[str] = set()
    need_details: Listed = {}
    problem = ""

    def load_stored_rows() -> None:
        expected.update(collection.listable().values_list("remote_id", flat=True).iterator())
        lease.phase(f"listing {collection.what}", len(expected))
        collection.begin(lease.run.full)

    try:
        listing = chain.from_iterable(collection.listings(writer.client))
        for pages in fetch.pages(listing, meanwhile=load_stored_rows):
            new: Listed = {}
            for asked_at, page in pages:
                lease.hold(done=len(page.rows))
                rows = _new_rows(writer, page.rows, seen)
                new |= {remote_id: (asked_at, row) for remote_id, row in rows.items()}
            need_details |= _store_page(writer, new)
    except ElevenLabsError as error:
        problem = f"The list of {collection.what} could not be read to its end. {error}"
    lease.run.seen += len(seen)
    return expected - seen, problem or _read_details(writer, need_details)


def _new_rows(writer: MirrorWriter, rows: list[dict[str, Any]], seen: set[str]) -> dict[str, dict[str, Any]]:
    """{id: row} without rows that were listed before, because rows may move between pages during the listing."""
    new: dict[str, dict[str, Any]] = {}
    for row in rows:
        remote_id = row.get(writer.collection.id_field)
        if not isinstance(remote_id, str) or not is_id(remote_id):
            writer.quarantine(remote_id, "it has no id that could be one")
        elif remote_id not in seen:
            seen.add(remote_id)  # it counts as listed even if the rest of the row is invalid
            new[remote_id] = row
    return new


def _store_page(writer: MirrorWriter, listed: Listed) -> Listed:
    """Store the rows for which the listing is enough. Returns those whose details have to be read."""
    differing = writer.collection.diff({remote_id: row for remote_id, (_, row) in listed.items()})
    complete = {remote_id: listed[remote_id] for remote_id in differing.as_listed}
    writer.keep([Observation(remote_id, row, asked_at, row) for remote_id, (asked_at, row) in complete.items()])
    return {remote_id: listed[remote_id] for remote_id in differing.need_details}


def _read_details(writer: MirrorWriter, listed: Listed) -> str:
    collection, lease = writer.collection, writer.lease
    if not listed:
        return ""
    lease.phase(f"reading {collection.what}", len(listed))
    outage = OutageDetector(writer.quarantine)
    read: list[Observation] = []
    tried: dict[str, datetime] = {}
    for remote_id, asked_at, answer in fetch.read_each(listed, lambda id_: collection.details(writer.client, id_)):
        lease.hold(done=1)
        if isinstance(answer, ElevenLabsError):
            if isinstance(answer, NotFound):
                continue  # deleted since it was listed; the next run will not list it
            if outage.stops(remote_id, answer):
                _store(writer, read, tried)
                return f"The details of {collection.what} could not be read. {answer}"
        else:
            outage.over()
            read.append(Observation(remote_id, answer, asked_at, listed[remote_id][1]))
        tried[remote_id] = asked_at  # including failed reads, which must not come first again in the next run
        if len(tried) >= BATCH_OBJECTS:
            _store(writer, read, tried)
            read, tried = [], {}
    _store(writer, read, tried)
    return ""


def _store(writer: MirrorWriter, read: list[Observation], tried: dict[str, datetime]) -> None:
    new = writer.keep(read)
    if known := {remote_id: asked_at for remote_id, asked_at in tried.items() if remote_id not in new}:
        writer.record_details_read(known)
