"""List everything, or mark nothing as gone; then store what differs and look after what was not seen.

What is listed, and how a row is stored, each collection says itself; see `agents/sync.py` and `numbers/sync.py`.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, NotFound, unstorable
from controlplane.mirror.models import RemoteObject, SyncRun

log = logging.getLogger(__name__)

RUN_LOST_AFTER = timedelta(minutes=15)  # the worker that ran it was killed: tasks have less time than this
FEW = 5  # so many may be newly missing in one run, or a tenth of all: more is held, not believed
SHARE = 0.1


class Collection(ABC):
    """One kind of remote object, as a sync needs to know it."""

    model: ClassVar[type[RemoteObject]]
    what: ClassVar[str]  # "agents"

    @abstractmethod
    def listing(self, client: ElevenLabs) -> Iterator[dict[str, Any]]:
        """Every row, to the end, or an `ElevenLabsError`."""

    @abstractmethod
    def id_of(self, row: dict[str, Any]) -> str:
        """The remote id. Raises BadShape."""

    @abstractmethod
    def keep(self, row: dict[str, Any], known: RemoteObject | None, client: ElevenLabs, cause: Cause) -> bool:
        """Bring the mirror to one listed row; may read its details. True if anything differed."""

    @abstractmethod
    def probe(self, client: ElevenLabs, remote_id: str, cause: Cause) -> bool:
        """GET one that was not listed. Raises NotFound; what is there is stored."""

    @abstractmethod
    def bury(self, remote_id: str, cause: Cause) -> bool:
        """Make it a tombstone."""

    @abstractmethod
    def unlisted(self) -> Iterator[RemoteObject]:
        """The rows that a listing should show (not gone, not propagating)."""

    @abstractmethod
    def touched_since(self, moment: datetime) -> set[str]:
        """Remote ids with an operation open, or decided since then: what was listed may be older than they are."""


def sync(collections: Sequence[Collection], client: ElevenLabs, *, requested_by: User | None = None) -> SyncRun | None:
    """One run over all collections, in order. None if another run is under way."""
    run = _start(requested_by)
    if run is None:
        return None
    cause = Cause(Entry.Cause.SYNC, str(run.pk))
    problems: list[str] = []
    try:
        run.workspace = _workspace(client)
        for collection in collections:
            problems += _sync_one(collection, run, client, cause)
    finally:
        run.calls = len(client.calls)
        run.waited_ms = round(sum(call.milliseconds for call in client.calls))
        run.state = SyncRun.State.PARTIAL if problems else SyncRun.State.COMPLETE
        run.problem = " ".join(problems)
        run.ended_at = timezone.now()
        run.save()
    return run


def _workspace(client: ElevenLabs) -> str:
    """Which workspace the key opens, for the header of the pages. A key may do all else and not read this."""
    try:
        workspace = client.get_user().workspace_id or ""
    except ElevenLabsError:
        return ""
    return workspace[:64] if workspace.isascii() and workspace.isprintable() else ""


def _start(requested_by: User | None) -> SyncRun | None:
    now = timezone.now()
    SyncRun.objects.filter(state=SyncRun.State.RUNNING, started_at__lt=now - RUN_LOST_AFTER).update(
        state=SyncRun.State.PARTIAL, ended_at=now, problem="The worker that ran it ended first."
    )
    try:
        with transaction.atomic():
            return SyncRun.objects.create(requested_by=requested_by)
    except IntegrityError:
        return None


def _sync_one(collection: Collection, run: SyncRun, client: ElevenLabs, cause: Cause) -> list[str]:
    began = timezone.now()
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        for row in collection.listing(client):
            rows.append(row)
    except ElevenLabsError as error:
        problems.append(f"The list of {collection.what} could not be read to its end. {error}")
    touched = collection.touched_since(began)
    known = {row.remote_id: row for row in collection.model._default_manager.all()}
    seen: set[str] = set()
    for row in rows:
        try:
            remote_id = collection.id_of(row)
            if remote_id in seen:
                continue  # rows may move between pages while they are read
            seen.add(remote_id)
            if remote_id in touched:
                continue
            _keep(collection, row, known.get(remote_id), run, client, cause)
        except BadShape as error:
            _quarantine(run, collection, str(error))
        except ElevenLabsError as error:
            problems.append(f"The details of {collection.what} could not be read. {error}")
            break
    run.seen += len(seen)
    if not problems:
        problems += _look_after_unseen(collection, seen, touched, run, client, cause)
    return problems


def _keep(
    collection: Collection,
    row: dict[str, Any],
    known: RemoteObject | None,
    run: SyncRun,
    client: ElevenLabs,
    cause: Cause,
) -> None:
    if why := unstorable(row):
        _quarantine(run, collection, why)
        return
    try:
        differed = collection.keep(row, known, client, cause)
    except IntegrityError:
        return  # new, and an operation has just stored it
    except DataError as error:
        _quarantine(run, collection, f"the database refused it ({type(error).__name__})")
        return
    if differed and known is None:
        run.added += 1
    elif differed:
        run.changed += 1


def _quarantine(run: SyncRun, collection: Collection, why: str) -> None:
    run.quarantined += 1
    log.warning("sync %s: one of the %s was left out: %s", run.pk, collection.what, why)


def _look_after_unseen(
    collection: Collection, seen: set[str], touched: set[str], run: SyncRun, client: ElevenLabs, cause: Cause
) -> list[str]:
    """Gone means: not in two complete listings, and 404 to a GET each time."""
    rows = list(collection.unlisted())
    unseen = [row for row in rows if row.remote_id not in seen and row.remote_id not in touched]
    newly = [row for row in unseen if row.missing_since is None]
    if len(newly) > max(FEW, SHARE * len(rows)):
        return [
            f"Held: {len(newly)} of {len(rows)} {collection.what} are not in the list any more. That many at once "
            "is more likely a wrong key or a fault than the truth, so none was marked as gone."
        ]
    for row in unseen:
        try:
            collection.probe(client, row.remote_id, cause)
        except NotFound:
            if row.missing_since is None:
                # Bookkeeping of ours, no change at the remote: not told in the ledger.
                type(row)._default_manager.filter(pk=row.pk).update(missing_since=timezone.now())
            elif collection.bury(row.remote_id, cause):
                run.gone += 1
        except ElevenLabsError as error:
            return [f"What is missing from the list of {collection.what} could not be looked up. {error}"]
    return []
