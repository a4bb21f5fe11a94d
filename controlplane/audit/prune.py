"""Removes history that is past its retention time, and records that.

The state of each object is first kept in a snapshot, then the cut is recorded, and only then are entries deleted: a
thousand per transaction, oldest links first. If the process is killed at any point, the next run resumes.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min, Q

from controlplane import bulk_insert
from controlplane.audit import chain, ledger, point_in_time
from controlplane.audit.models import Cut, Entry, Link, Snapshot

BATCH_ROWS = 1000
BATCH_OBJECTS = 200
TYPES = ("agent", "number")  # object types whose past state can be queried


def _ignore_progress(deleted: int) -> None:
    pass


class NothingToPrune(Exception):
    pass


class PrunedElsewhere(Exception):
    """Another prune is running at the same time. Nothing was deleted that is not recorded."""


def prune(before: datetime, *, actor_name: str, tell: Callable[[int], None] = _ignore_progress) -> dict[str, Any]:
    """Remove the beginning of the chain, up to the last entry before `before`, and return the `after` of the recorded
    entry. `tell` is called with the number of entries deleted so far. The link of the last entry stays, so that the
    chain continues from it."""
    deleted = delete_cut_entries(tell)
    chain.seal(everything=True)
    last = _last_to_prune(before)
    if last is None:
        if deleted:
            return dict(Entry.objects.get(pk=Cut.objects.latest("position").entry_id).after)
        raise NothingToPrune
    _delete_stale_snapshots()
    count, digest = _write_snapshots(last, before)
    summary = _record(last, before, count, digest, actor_name)
    delete_cut_entries(tell)
    return summary


def _last_to_prune(before: datetime) -> Link | None:
    """The link before the first one to keep: an entry that is recent enough, or whose outside change is still
    undecided."""
    first = Link.objects.order_by("position").first()
    # By relation name, because outside changes belong to a layer above this package. An undecided change keeps its
    # entry.
    kept = Entry.objects.filter(Q(at__gte=before) | Q(outside_change__state="open")).values("pk")
    first_kept = Link.objects.filter(entry_id__in=kept).aggregate(first=Min("position"))["first"]
    links = Link.objects.filter(position__lt=first_kept) if first_kept else Link.objects.all()
    last = links.order_by("-position").first()
    if first is None or last is None or Cut.objects.filter(position__gte=last.position).exists():
        return None
    return last


def _write_snapshots(last: Link, before: datetime) -> tuple[int, str]:
    """Write the state of each object up to this link. Returns the number of rows and the digest of all of them in
    order."""
    digest, count = hashlib.sha256(), 0
    up_to = Link.objects.filter(position__lte=last.position).aggregate(newest=Max("entry_id"))["newest"]
    for object_type in TYPES:
        for ids in _objects(object_type, last):
            rows = _known(object_type, ids, last, up_to)
            bulk_insert.insert(rows)
            for row in rows:
                digest.update(row.seen_whole().encode() + b"\n")
            count += len(rows)
    return count, digest.hexdigest()


def _objects(object_type: str, last: Link) -> Iterator[list[str]]:
    entries = Entry.objects.filter(object_type=object_type).order_by("object_id").values_list("object_id", flat=True)
    ids = set(entries.distinct()) | set(_before(object_type).values_list("object_id", flat=True))
    ordered = sorted(ids)
    for at in range(0, len(ordered), BATCH_OBJECTS):
        yield ordered[at : at + BATCH_OBJECTS]


def _before(object_type: str) -> Any:
    cut = Cut.objects.first()
    return Snapshot.objects.filter(cut=cut.position if cut else 0, object_type=object_type)


def _known(object_type: str, ids: list[str], last: Link, up_to: int) -> list[Snapshot]:
    known = {row.object_id: point_in_time.from_snapshot(row) for row in _before(object_type).filter(object_id__in=ids)}
    entries_up_to, newest = point_in_time.entries_of(object_type, ids).filter(pk__lte=up_to), 0
    # Look up links by key, in batches: a subquery for "all links up to the cut" would run again for each object.
    while entries := list(entries_up_to.filter(pk__gt=newest)[:BATCH_ROWS]):
        newest = entries[-1]["pk"]
        links = Link.objects.filter(entry_id__in=[entry["pk"] for entry in entries], position__lte=last.position)
        pruned_ids = set(links.values_list("entry_id", flat=True))
        for entry in entries:
            if entry["pk"] in pruned_ids:
                point_in_time.apply(
                    known.setdefault(entry["object_id"], point_in_time.KnownState(entry["object_id"])), entry
                )
    return [
        Snapshot(
            cut=last.position,
            object_type=object_type,
            object_id=one.object_id,
            object_name=one.name,
            settings=one.settings,
            since=one.since,
            entry_id=one.entry_id,
        )
        for _, one in sorted(known.items())
        if one.since is not None
    ]


def _record(last: Link, before: datetime, snapshots: int, digest: str, actor_name: str) -> dict[str, Any]:
    pruned = Entry.objects.filter(pk__in=Link.objects.filter(position__lte=last.position).values("entry_id"))
    span = pruned.aggregate(first=Min("at"), last=Max("at"))
    summary = {
        "entries": pruned.count(),
        "from": span["first"].isoformat(),
        "until": span["last"].isoformat(),
        "before": before.isoformat(),
        "link": last.position,
        "digest": last.digest,
        "snapshots": snapshots,
        chain.SNAPSHOTS: digest,
    }
    cause = ledger.Cause(Entry.Cause.SYSTEM, "prune_history", actor_name=actor_name)
    entry = ledger.entry(chain.PRUNED, "history", "", "History", after=summary, cause=cause)
    with transaction.atomic():
        if connection.vendor == "postgresql":  # otherwise snapshots could be deleted while we count them
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE audit_snapshot IN SHARE ROW EXCLUSIVE MODE")
        if Snapshot.objects.filter(cut=last.position).count() != snapshots:
            raise PrunedElsewhere
        ledger.record(entry)
        Cut.objects.create(position=last.position, digest=last.digest, entry_id=entry.pk, before=before)
    return summary


def delete_cut_entries(tell: Callable[[int], None] = _ignore_progress) -> int:
    """Delete what a recorded cut covers and is still stored. Returns the number of entries."""
    cut = Cut.objects.first()
    deleted = 0
    while cut is not None and (batch := _remove_batch(cut)):
        deleted += batch
        tell(deleted)
    _delete_stale_snapshots()
    return deleted


def _remove_batch(cut: Cut) -> int:
    """Delete the first links with all their entries, except the last link: the chain continues from it."""
    links = list(Link.objects.filter(position__lte=cut.position).order_by("position")[: BATCH_ROWS + 1])
    entries = Entry.objects.filter(pk__in=[link.entry_id for link in links]).only("pk")
    if not links or (len(links) == 1 and not entries.exists()):
        return 0
    with transaction.atomic():
        count = entries.count()
        entries.delete()
        Link.objects.filter(position__in=[link.position for link in links[:-1]]).delete()
    return max(count, 1)


def _delete_stale_snapshots() -> None:
    """Snapshots of earlier cuts, and those left by a run that was killed."""
    cut = Cut.objects.first()
    rows = Snapshot.objects.exclude(cut=cut.position if cut else 0)
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_ROWS]):
        Snapshot.objects.filter(pk__in=pks).delete()
