"""Reads a whole list and stores what differs, page by page."""

from datetime import datetime
from itertools import chain
from typing import Any

from controlplane.elevenlabs import ElevenLabsError, NotFound, is_id
from controlplane.mirror import fetch
from controlplane.mirror.outages import OutageDetector
from controlplane.mirror.source import Observation
from controlplane.mirror.writer import MirrorWriter

BATCH_OBJECTS = 20  # objects whose details are stored together: an agent names each of its numbers, so one may be large

Listed = dict[str, tuple[datetime, dict[str, Any]]]


def read(writer: MirrorWriter) -> tuple[set[str], str]:
    """The ids that stood here as the list began and were not in it; and why it was not read to its end, or not all
    about its objects, in words."""
    collection, lease = writer.collection, writer.lease
    expected: set[str] = set()
    seen: set[str] = set()
    to_be_read: Listed = {}
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
                new |= {one: (asked_at, row) for one, row in _new_rows(writer, page.rows, seen).items()}
            to_be_read |= _store_page(writer, new)
    except ElevenLabsError as error:
        problem = f"The list of {collection.what} could not be read to its end. {error}"
    lease.run.seen += len(seen)
    return expected - seen, problem or _read_details(writer, to_be_read)


def _new_rows(writer: MirrorWriter, rows: list[dict[str, Any]], seen: set[str]) -> dict[str, dict[str, Any]]:
    """By id, without those that were listed before: rows may move between pages while they are read."""
    new: dict[str, dict[str, Any]] = {}
    for row in rows:
        remote_id = row.get(writer.collection.id_field)
        if not isinstance(remote_id, str) or not is_id(remote_id):
            writer.leave_out(remote_id, "it has no id that could be one")
        elif remote_id not in seen:
            seen.add(remote_id)  # listed is listed, whatever the rest of the row looks like
            new[remote_id] = row
    return new


def _store_page(writer: MirrorWriter, listed: Listed) -> Listed:
    """Store what these lines tell whole; the rest is to be read."""
    differing = writer.collection.differing({remote_id: row for remote_id, (_, row) in listed.items()})
    writer.keep([Observation(one, listed[one][1], listed[one][0], listed[one][1]) for one in differing.as_listed])
    return {remote_id: listed[remote_id] for remote_id in differing.to_be_read}


def _read_details(writer: MirrorWriter, listed: Listed) -> str:
    collection, lease = writer.collection, writer.lease
    if not listed:
        return ""
    lease.phase(f"reading {collection.what}", len(listed))
    trouble = OutageDetector(writer)
    read: list[Observation] = []
    tried: dict[str, datetime] = {}
    for remote_id, asked_at, answer in fetch.each(listed, lambda one: collection.details(writer.client, one)):
        lease.hold(done=1)
        if isinstance(answer, ElevenLabsError):
            if isinstance(answer, NotFound):
                continue  # deleted since it was listed: the next run will not list it
            if trouble.stops(remote_id, answer):
                _store(writer, read, tried)
                return f"The details of {collection.what} could not be read. {answer}"
        else:
            trouble.over()
            read.append(Observation(remote_id, answer, asked_at, listed[remote_id][1]))
        tried[remote_id] = asked_at  # also one that is closed to us: it must not come first again in the next run
        if len(tried) >= BATCH_OBJECTS:
            _store(writer, read, tried)
            read, tried = [], {}
    _store(writer, read, tried)
    return ""


def _store(writer: MirrorWriter, read: list[Observation], tried: dict[str, datetime]) -> None:
    new = writer.keep(read)
    if known := {remote_id: asked_at for remote_id, asked_at in tried.items() if remote_id not in new}:
        writer.details_were_read(known)
