"""Removes history that is past its retention time, and records that.

First what the entries say of each object is kept in a snapshot, then the cut is recorded, and only then entries go:
a thousand in a transaction, the oldest links first. Killed at any point, the next run goes on from there.
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
TYPES = ("agent", "number")  # whose state at a time is asked for


def _ignore_progress(gone: int) -> None:
    pass


class NothingToPrune(Exception):
    pass


class PrunedElsewhere(Exception):
    """Somebody else prunes at the same time. Nothing went that was not recorded."""


def prune(before: datetime, *, actor_name: str, tell: Callable[[int], None] = _ignore_progress) -> dict[str, Any]:
    """Remove the beginning of the chain up to the last entry before this moment; what the record of it says. `tell`
    is told how many entries went so far. The link of the last entry stays, so that the chain goes on from it."""
    gone = delete_cut_entries(tell)
    chain.seal(everything=True)
    last = _last_to_go(before)
    if last is None:
        if gone:
            return dict(Entry.objects.get(pk=Cut.objects.latest("position").entry_id).after)
        raise NothingToPrune
    _forget_snapshots()
    count, digest = _write_snapshots(last, before)
    told = _record(last, before, count, digest, actor_name)
    delete_cut_entries(tell)
    return told


def _last_to_go(before: datetime) -> Link | None:
    """The link before the first whose entry is young enough, or is still to be decided about."""
    first = Link.objects.order_by("position").first()
    # By its name, because outside changes stand above this package: one that nobody has decided keeps its entry.
    kept = Entry.objects.filter(Q(at__gte=before) | Q(outside_change__state="open")).values("pk")
    first_kept = Link.objects.filter(entry_id__in=kept).aggregate(first=Min("position"))["first"]
    links = Link.objects.filter(position__lt=first_kept) if first_kept else Link.objects.all()
    last = links.order_by("-position").first()
    if first is None or last is None or Cut.objects.filter(position__gte=last.position).exists():
        return None
    return last


def _write_snapshots(last: Link, before: datetime) -> tuple[int, str]:
    """What is known of each object up to this link. How many rows, and the digest of all of them in their order."""
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
    told = Entry.objects.filter(object_type=object_type).order_by("object_id").values_list("object_id", flat=True)
    ids = set(told.distinct()) | set(_before(object_type).values_list("object_id", flat=True))
    ordered = sorted(ids)
    for at in range(0, len(ordered), BATCH_OBJECTS):
        yield ordered[at : at + BATCH_OBJECTS]


def _before(object_type: str) -> Any:
    cut = Cut.objects.first()
    return Snapshot.objects.filter(cut=cut.position if cut else 0, object_type=object_type)


def _known(object_type: str, ids: list[str], last: Link, up_to: int) -> list[Snapshot]:
    known = {row.object_id: point_in_time.of_snapshot(row) for row in _before(object_type).filter(object_id__in=ids)}
    told, newest = point_in_time.entries_of(object_type, ids).filter(pk__lte=up_to), 0
    # By keys of links, some at a time: a question for "all links up to the cut" would be answered anew for each object.
    while entries := list(told.filter(pk__gt=newest)[:BATCH_ROWS]):
        newest = entries[-1]["pk"]
        links = Link.objects.filter(entry_id__in=[entry["pk"] for entry in entries], position__lte=last.position)
        goes = set(links.values_list("entry_id", flat=True))
        for entry in entries:
            if entry["pk"] in goes:
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
    goes = Entry.objects.filter(pk__in=Link.objects.filter(position__lte=last.position).values("entry_id"))
    span = goes.aggregate(first=Min("at"), last=Max("at"))
    told = {
        "entries": goes.count(),
        "from": span["first"].isoformat(),
        "until": span["last"].isoformat(),
        "before": before.isoformat(),
        "link": last.position,
        "digest": last.digest,
        "snapshots": snapshots,
        chain.SNAPSHOTS: digest,
    }
    cause = ledger.Cause(Entry.Cause.SYSTEM, "prune_history", actor_name=actor_name)
    entry = ledger.entry(chain.PRUNED, "history", "", "History", after=told, cause=cause)
    with transaction.atomic():
        if connection.vendor == "postgresql":  # else somebody could remove snapshots while we look at them
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE audit_snapshot IN SHARE ROW EXCLUSIVE MODE")
        if Snapshot.objects.filter(cut=last.position).count() != snapshots:
            raise PrunedElsewhere
        ledger.record(entry)
        Cut.objects.create(position=last.position, digest=last.digest, entry_id=entry.pk, before=before)
    return told


def delete_cut_entries(tell: Callable[[int], None] = _ignore_progress) -> int:
    """What a recorded cut covers and still stands here; how many entries went."""
    cut = Cut.objects.first()
    gone = 0
    while cut is not None and (some := _remove_some(cut)):
        gone += some
        tell(gone)
    _forget_snapshots()
    return gone


def _remove_some(cut: Cut) -> int:
    """The links that come first, but the last of them, which the chain goes on from, and the entries of all of them."""
    links = list(Link.objects.filter(position__lte=cut.position).order_by("position")[: BATCH_ROWS + 1])
    entries = Entry.objects.filter(pk__in=[link.entry_id for link in links]).only("pk")
    if not links or (len(links) == 1 and not entries.exists()):
        return 0
    with transaction.atomic():
        count = entries.count()
        entries.delete()
        Link.objects.filter(position__in=[link.position for link in links[:-1]]).delete()
    return max(count, 1)


def _forget_snapshots() -> None:
    """Those of cuts before the newest, and what a run that was killed had begun."""
    cut = Cut.objects.first()
    rows = Snapshot.objects.exclude(cut=cut.position if cut else 0)
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_ROWS]):
        Snapshot.objects.filter(pk__in=pks).delete()
