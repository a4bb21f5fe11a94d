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
# A transaction that commits late adds an entry with a lower id than some already sealed ones. Each run looks back this
# many ids; anything older is found by `seal(everything=True)`.
LOOK_BACK_ROWS = 10_000
PRUNED = "history.pruned"
SNAPSHOTS = "digest of the snapshots"  # key in the `after` of a pruning entry


def seal(*, everything: bool = False) -> int:
    """Append unsealed entries to the chain and return how many. Safe to run concurrently: the loser gets an
    `IntegrityError` on the position and stops."""
    newest = None if everything else Link.objects.order_by("-entry_id").first()
    above, sealed = newest.entry_id - LOOK_BACK_ROWS if newest else 0, 0
    while links := _seal_some(above):
        above, sealed = links[-1].entry_id, sealed + len(links)
    return sealed


def _seal_some(above: int) -> list[Link]:
    """Seal the next batch of entries with an id above `above`. Callers raise `above` each time, so no range is scanned
    twice."""
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
        return []  # another process is sealing
    return links


def digest_of(before: str, entry: Entry, sealed_at: datetime | None = None) -> str:
    """The digest of one link. `sealed_at=None` gives the digest without the sealing time, as in the first chains."""
    fields = [before, entry.seen_whole()]
    if sealed_at is not None:
        fields.append(sealed_at.astimezone(UTC).isoformat(timespec="microseconds"))
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()


def _matches_seal(before: str, entry: Entry, link: Link) -> bool:
    """Links of the first chains do not include the sealing time. A newer link does not match without it, because its
    digest differs."""
    return link.digest == digest_of(before, entry, link.sealed_at) or link.digest == digest_of(before, entry)


@dataclass(frozen=True)
class Finding:
    """How far the chain was verified, and where it is broken, if it is."""

    sealed: int = 0  # intact entries
    unsealed: int = 0
    head: str = ""  # the last digest; if noted elsewhere, `has` can later check that it is still in the chain
    position: int = 0  # position of that link
    broken: str = ""  # message that names the first broken entry
    entry_id: int | None = None


def verify() -> Finding:
    """Read the whole chain once, holding one batch of a thousand rows in memory."""
    found = Finding()
    for found in read():  # noqa: B007 - the last one counts
        pass
    return replace(found, unsealed=unsealed())


def unsealed() -> int:
    return Entry.objects.exclude(Exists(Link.objects.filter(entry_id=OuterRef("pk")))).count()


def read(found: Finding | None = None) -> Iterator[Finding]:
    """Yield the finding so far after each batch of a thousand entries. Can be stopped after any batch and resumed from
    its finding."""
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
    """The next batch of links. A `sealed_at` that cannot be parsed, because the database file was edited, is read as
    None."""
    following = Link.objects.filter(position__gt=position).order_by("position")
    try:
        return list(following[:BATCH_ROWS])
    except (ValueError, DatabaseError):
        columns = ("position", "entry_id", "digest")
        without = [Link(**row, sealed_at=None) for row in following.values(*columns)[:BATCH_ROWS]]  # type: ignore[misc]
        good = _readable(Link, [link.position for link in without])
        return [good.get(link.position, link) for link in without]


def _readable(model: type[Row], ids: list[int]) -> dict[int, Row]:
    """Rows by id, leaving out those that cannot be decoded: a byte changed in the database file may leave invalid
    text."""
    try:
        return model._default_manager.in_bulk(ids)
    except (ValueError, DatabaseError):
        half = len(ids) // 2
        return _readable(model, ids[:half]) | _readable(model, ids[half:]) if half else {}


def _next(found: Finding, link: Link, entry: Entry | None) -> Finding:
    # may have been pruned in the meantime
    cut = Cut.objects.first() if entry is None or link.position != found.position + 1 else None
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
    """Check that the newest cut matches its history entry and that its snapshots match the recorded digest."""
    cut = Cut.objects.first()
    if cut is None:
        return ""
    record = Entry.objects.filter(pk=cut.entry_id, kind=PRUNED).first()
    recorded = record.after if record else {}
    expected = [cut.position, cut.digest, cut.before.isoformat()]
    if [recorded.get(name) for name in ("link", "digest", "before")] != expected:
        return f"The cut at link {cut.position} is not the one that was recorded."
    digest = hashlib.sha256()
    for row in Snapshot.objects.filter(cut=cut.position).order_by("pk").iterator(chunk_size=BATCH_ROWS):
        digest.update(row.seen_whole().encode() + b"\n")
    if digest.hexdigest() != recorded.get(SNAPSHOTS):
        return f"The state kept at the cut at link {cut.position} is not the recorded one."
    return ""


def contains(digest: str) -> bool:
    """Whether this digest, noted earlier, belongs to a link of the chain."""
    return Link.objects.filter(digest=digest).exists()
