"""A chain of digests over the history: whoever changes or removes an entry that is sealed breaks it there."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Exists, OuterRef

from controlplane.audit.models import Entry, Link

AT_A_TIME = 1000
# A transaction that ends late brings an entry with a lower id than some that are sealed already: so far back is looked
# each time. What comes later still is found by the look over everything.
LOOK_BACK = 10_000
PRUNED = "history.pruned"


def seal(*, everything: bool = False) -> int:
    """Add what is not in the chain yet; how many entries. Two at once do no harm: one of them finds its place taken."""
    sealed = 0
    while some := _seal_some(everything):
        sealed += some
    return sealed


def _seal_some(everything: bool) -> int:
    last = Link.objects.order_by("-position").first()
    open_ = Entry.objects.exclude(Exists(Link.objects.filter(entry_id=OuterRef("pk"))))
    if not everything and (newest := Link.objects.order_by("-entry_id").first()):
        open_ = open_.filter(pk__gt=newest.entry_id - LOOK_BACK)
    position, digest = (last.position, last.digest) if last else (0, "")
    links = []
    for entry in open_.order_by("pk")[:AT_A_TIME]:
        position, digest = position + 1, digest_of(digest, entry)
        links.append(Link(position=position, entry_id=entry.pk, digest=digest))
    try:
        with transaction.atomic():
            Link.objects.bulk_create(links)
    except IntegrityError:
        return 0  # somebody else seals
    return len(links)


def digest_of(before: str, entry: Entry) -> str:
    return hashlib.sha256(f"{before}\n{entry.seen_whole()}".encode()).hexdigest()


@dataclass(frozen=True)
class Finding:
    """How far the chain goes, and where it is broken, if it is."""

    sealed: int
    unsealed: int
    head: str  # the last digest: whoever noted it elsewhere can ask later whether it is still in the chain
    broken: str = ""  # in words, naming the first
    entry_id: int | None = None


def verify() -> Finding:
    """Read everything once, in memory of a thousand entries."""
    unsealed = Entry.objects.exclude(Exists(Link.objects.filter(entry_id=OuterRef("pk")))).count()
    digest, sealed, expected = "", 0, 1
    for link, entry in _pairs():
        if sealed == 0 and _is_where_pruning_ended(link):
            digest, sealed, expected = link.digest, 1, link.position + 1
            continue
        if link.position != expected:
            why = f"Links {expected} to {link.position - 1} of the chain are missing."
        elif entry is None:
            there = Entry.objects.filter(pk=link.entry_id).exists()
            why = f"Entry {link.entry_id} {'cannot be read any more' if there else 'was removed'}."
        elif digest_of(digest, entry) != link.digest:
            why = f"Entry {link.entry_id} is not what was sealed."
        else:
            digest, sealed, expected = link.digest, sealed + 1, expected + 1
            continue
        return Finding(sealed, unsealed, digest, why, link.entry_id)
    return Finding(sealed, unsealed, digest)


def _pairs() -> Iterator[tuple[Link, Entry | None]]:
    position = 0
    while links := list(Link.objects.filter(position__gt=position)[:AT_A_TIME]):
        entries = _readable([link.entry_id for link in links])
        for link in links:
            yield link, entries.get(link.entry_id)
        position = links[-1].position


def _readable(ids: list[int]) -> dict[int, Entry]:
    """A byte that was changed in the file of the database may leave no text at all: that one is left out."""
    try:
        return Entry.objects.in_bulk(ids)
    except (ValueError, DatabaseError):
        half = len(ids) // 2
        return _readable(ids[:half]) | _readable(ids[half:]) if half else {}


def _is_where_pruning_ended(first: Link) -> bool:
    """The newest pruning names the link at which what was kept begins."""
    pruned = Entry.objects.filter(kind=PRUNED).order_by("-pk").first()
    told = pruned.after if pruned else {}
    return (told.get("link"), told.get("digest")) == (first.position, first.digest)


def has(digest: str) -> bool:
    """Was this digest, noted earlier, the head of this very chain?"""
    return Link.objects.filter(digest=digest).exists()
