"""Read a whole list and store what differs, page by page. What a list that broke off did not show is left alone."""

from datetime import datetime
from itertools import chain
from typing import Any

from controlplane.elevenlabs import ElevenLabsError, NotFound, is_id
from controlplane.mirror import fetch
from controlplane.mirror.collection import Seen
from controlplane.mirror.keep import Keeper
from controlplane.mirror.trouble import Trouble

AT_A_TIME = 20  # objects whose details are stored together: an agent names each of its numbers, so one may be large

Listed = dict[str, tuple[datetime, dict[str, Any]]]


def read(keeper: Keeper) -> tuple[set[str], str]:
    """The ids that stood here as the list began and were not in it; and why it was not read to its end, or not all
    about its objects, in words."""
    collection, lease = keeper.collection, keeper.lease
    expected: set[str] = set()
    seen: set[str] = set()
    to_be_read: Listed = {}
    problem = ""

    def look_at_what_stands_here() -> None:
        expected.update(collection.listable().values_list("remote_id", flat=True).iterator())
        lease.phase(f"listing {collection.what}", len(expected))
        collection.begin(lease.run.full)

    try:
        listing = chain.from_iterable(collection.listings(keeper.client))
        for pages in fetch.pages(listing, meanwhile=look_at_what_stands_here):
            new: Listed = {}
            for asked_at, page in pages:
                lease.hold(done=len(page.rows))
                new |= {one: (asked_at, row) for one, row in _new_rows(keeper, page.rows, seen).items()}
            to_be_read |= _take(keeper, new)
    except ElevenLabsError as error:
        problem = f"The list of {collection.what} could not be read to its end. {error}"
    lease.run.seen += len(seen)
    return expected - seen, problem or _read_details(keeper, to_be_read)


def _new_rows(keeper: Keeper, rows: list[dict[str, Any]], seen: set[str]) -> dict[str, dict[str, Any]]:
    """By id, without those that were listed before: rows may move between pages while they are read."""
    new: dict[str, dict[str, Any]] = {}
    for row in rows:
        remote_id = row.get(keeper.collection.id_field)
        if not isinstance(remote_id, str) or not is_id(remote_id):
            keeper.leave_out(remote_id, "it has no id that could be one")
        elif remote_id not in seen:
            seen.add(remote_id)  # listed is listed, whatever the rest of the row looks like
            new[remote_id] = row
    return new


def _take(keeper: Keeper, listed: Listed) -> Listed:
    """Store what these lines tell whole; the rest is to be read."""
    differing = keeper.collection.differing({remote_id: row for remote_id, (_, row) in listed.items()})
    keeper.keep([Seen(one, listed[one][1], listed[one][0], listed[one][1]) for one in differing.as_listed])
    return {remote_id: listed[remote_id] for remote_id in differing.to_be_read}


def _read_details(keeper: Keeper, listed: Listed) -> str:
    collection, lease = keeper.collection, keeper.lease
    if not listed:
        return ""
    lease.phase(f"reading {collection.what}", len(listed))
    trouble = Trouble(keeper)
    read: list[Seen] = []
    tried: dict[str, datetime] = {}
    for remote_id, asked_at, answer in fetch.each(listed, lambda one: collection.details(keeper.client, one)):
        lease.hold(done=1)
        if isinstance(answer, ElevenLabsError):
            if isinstance(answer, NotFound):
                continue  # deleted since it was listed: the next run will not list it
            if trouble.stops(remote_id, answer):
                _store(keeper, read, tried)
                return f"The details of {collection.what} could not be read. {answer}"
        else:
            trouble.over()
            read.append(Seen(remote_id, answer, asked_at, listed[remote_id][1]))
        tried[remote_id] = asked_at  # also one that is closed to us: it must not come first again in the next run
        if len(tried) >= AT_A_TIME:
            _store(keeper, read, tried)
            read, tried = [], {}
    _store(keeper, read, tried)
    return ""


def _store(keeper: Keeper, read: list[Seen], tried: dict[str, datetime]) -> None:
    new = keeper.keep(read)
    if known := {remote_id: asked_at for remote_id, asked_at in tried.items() if remote_id not in new}:
        keeper.details_were_read(known)
