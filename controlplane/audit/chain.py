"""The hash chain over the history: changing or removing a sealed entry breaks it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from controlplane.audit.models import Cut, Entry, Link, Snapshot

Row = TypeVar("Row", Entry, Link)

BATCH_ROWS = 1000
# A transaction that ends late brings an entry with a lower id than some that are sealed already: so far back is looked
# each time. What comes later still is found by the look over everything.
LOOK_BACK_ROWS = 10_000
PRUNED = "history.pruned"
SNAPSHOTS = "digest of the snapshots"  # as the entry of a pruning calls it


def seal(*, everything: bool = False) -> int:
    """Add what is not in the chain yet; how many entries. Two at once do no harm: one of them finds its place taken."""
    newest = None if everything else Link.objects.order_by("-entry_id").first()
    above, sealed = newest.entry_id - LOOK_BACK_ROWS if newest else 0, 0
    while links := _seal_some(above):
        above, sealed = links[-1].entry_id, sealed + len(links)
    return sealed


def _seal_some(above: int) -> list[Link]:
    """The next entries whose ids are above this one; what was looked through once is not looked through again."""
    last = Link.objects.order_by("-position").first()
    links_above = Link.objects.filter(entry_id=OuterRef("pk"), entry_id__gt=above)
    open_ = Entry.objects.filter(pk__gt=above).exclude(Exists(links_above))
    position, digest = (last.position, last.digest) if last else (0, "")
    links, now = [], timezone.now()
    for entry in open_.order_by("pk")[:BATCH_ROWS]:
        position, digest = position + 1, digest_of(digest, entry, now)
        links.append(Link(position=position, entry_id=entry.pk, digest=digest, sealed_at=now))
    try:
        with transaction.atomic():
            Link.objects.bulk_create(links)
    except IntegrityError:
        return []  # somebody else seals
    return links


def digest_of(before: str, entry: Entry, sealed_at: datetime | None = None) -> str:
    """Without the time of sealing: as the first chains were made."""
    said = [before, entry.seen_whole()]
    if sealed_at is not None:
        said.append(sealed_at.astimezone(UTC).isoformat(timespec="microseconds"))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _matches_seal(before: str, entry: Entry, link: Link) -> bool:
    """A link of the first chains holds no time. One that does is not good without: its digest is another."""
    return link.digest == digest_of(before, entry, link.sealed_at) or link.digest == digest_of(before, entry)


@dataclass(frozen=True)
class Finding:
    """How far the chain goes, and where it is broken, if it is."""

    sealed: int = 0  # entries that are as they were sealed
    unsealed: int = 0
    head: str = ""  # the last digest: whoever noted it elsewhere can ask later whether it is still in the chain
    position: int = 0  # of that link
    broken: str = ""  # in words, naming the first
    entry_id: int | None = None


def verify() -> Finding:
    """Read everything once, in memory of a thousand entries."""
    found = Finding()
    for found in read():  # noqa: B007 - the last one counts
        pass
    return replace(found, unsealed=unsealed())


def unsealed() -> int:
    return Entry.objects.exclude(Exists(Link.objects.filter(entry_id=OuterRef("pk")))).count()


def read(found: Finding | None = None) -> Iterator[Finding]:
    """What is found so far, after each thousand entries. It can be ended at any of them, and gone on from there."""
    found = found or Finding()
    while not found.broken:
        links = _links(found.position)
        entries = _readable(Entry, [link.entry_id for link in links])
        for link in links:
            found = _next(found, link, entries.get(link.entry_id))
            if found.broken:
                break
        if not links:
            found = replace(found, broken=_broken_cut())
            yield found
            return
        yield found


def _links(position: int) -> list[Link]:
    """The next ones. What is no time any more, because somebody changed the database's file, is none."""
    following = Link.objects.filter(position__gt=position).order_by("position")
    try:
        return list(following[:BATCH_ROWS])
    except (ValueError, DatabaseError):
        columns = ("position", "entry_id", "digest")
        without = [Link(**row, sealed_at=None) for row in following.values(*columns)[:BATCH_ROWS]]  # type: ignore[misc]
        good = _readable(Link, [link.position for link in without])
        return [good.get(link.position, link) for link in without]


def _readable(model: type[Row], ids: list[int]) -> dict[int, Row]:
    """A byte that was changed in the file of the database may leave no text at all: that one is left out."""
    try:
        return model._default_manager.in_bulk(ids)
    except (ValueError, DatabaseError):
        half = len(ids) // 2
        return _readable(model, ids[:half]) | _readable(model, ids[half:]) if half else {}


def _next(found: Finding, link: Link, entry: Entry | None) -> Finding:
    cut = Cut.objects.first() if entry is None or link.position != found.position + 1 else None  # pruned meanwhile?
    if entry is None and cut is not None and link.position <= cut.position:
        good = link.position < cut.position or link.digest == cut.digest
        why = "" if good else f"Link {link.position}, at which pruning ended, is not the one that was recorded."
    elif link.position != found.position + 1:
        why = f"Links {found.position + 1} to {link.position - 1} of the chain are missing."
    elif entry is None:
        there = Entry.objects.filter(pk=link.entry_id).exists()
        why = f"Entry {link.entry_id} {'cannot be read any more' if there else 'was removed'}."
    elif not _matches_seal(found.head, entry, link):
        why = f"Entry {link.entry_id} is not what was sealed."
    else:
        why = ""
    if why:
        return replace(found, broken=why, entry_id=link.entry_id)
    return replace(found, sealed=found.sealed + 1, head=link.digest, position=link.position)


def _broken_cut() -> str:
    """Is the newest cut what its entry says, and are the snapshots what they were?"""
    cut = Cut.objects.first()
    if cut is None:
        return ""
    record = Entry.objects.filter(pk=cut.entry_id, kind=PRUNED).first()
    told = record.after if record else {}
    if [told.get(name) for name in ("link", "digest", "before")] != [cut.position, cut.digest, cut.before.isoformat()]:
        return f"The cut at link {cut.position} is not the one that was recorded."
    digest = hashlib.sha256()
    for row in Snapshot.objects.filter(cut=cut.position).order_by("pk").iterator(chunk_size=BATCH_ROWS):
        digest.update(row.seen_whole().encode() + b"\n")
    if digest.hexdigest() != told.get(SNAPSHOTS):
        return f"The state kept at the cut at link {cut.position} is not the recorded one."
    return ""


def has(digest: str) -> bool:
    """Was this digest, noted earlier, the head of this very chain?"""
    return Link.objects.filter(digest=digest).exists()
