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
from controlplane.elevenlabs import (
    BadShape,
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    Limited,
    NoConnection,
    NotFound,
    Unclear,
    is_id,
    unstorable,
)
from controlplane.mirror.models import RemoteObject, SyncRun

log = logging.getLogger(__name__)

CLAIM = timedelta(seconds=90)  # longer than the slowest read with all its tries
RENEW_EVERY = timedelta(seconds=5)
WORKER_DIED = "The worker that ran it ended first."
FEW = 5  # so many may be newly missing in one run, or a tenth of all: more is held, not believed
SHARE = 0.1
STOPPING = (KeyRefused, NoConnection, Limited)  # about the whole remote: the next object would fare no better
UNCLEAR_IN_A_ROW = 3  # one object may be broken over there; so many after another are not


class Collection(ABC):
    """One kind of remote object, as a sync needs to know it."""

    model: ClassVar[type[RemoteObject]]
    what: ClassVar[str]  # "agents"
    id_field: ClassVar[str]  # where a listed row has its id

    @abstractmethod
    def listing(self, client: ElevenLabs) -> Iterator[dict[str, Any]]:
        """Every row, to the end, or an `ElevenLabsError`."""

    @abstractmethod
    def keep(self, row: dict[str, Any], known: RemoteObject | None, client: ElevenLabs, cause: Cause) -> bool:
        """Bring the mirror to one listed row; may read its details. True if anything differed. Raises BadShape."""

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


class Superseded(Exception):
    """This run's claim has lapsed and another one took its place: it writes nothing more."""


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
    except Superseded:
        log.warning("sync %s: its claim was gone, so it stopped", run.pk)
    except BaseException:
        # Whatever it was, also a time limit: the list was not worked through, so nobody may read it as complete.
        _end(run, client, [*problems, "The run ended with an error."])
        raise
    else:
        _end(run, client, problems)
    run.refresh_from_db()
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
    SyncRun.objects.filter(state=SyncRun.State.RUNNING, claimed_until__lt=now).update(
        state=SyncRun.State.PARTIAL, ended_at=now, problem=WORKER_DIED
    )
    try:
        with transaction.atomic():
            return SyncRun.objects.create(requested_by=requested_by, claimed_until=now + CLAIM)
    except IntegrityError:
        return None


def _hold(run: SyncRun) -> None:
    """Renew the claim, if it is time to. Raises `Superseded` where the run was taken for dead."""
    now = timezone.now()
    if now < run.claimed_until - CLAIM + RENEW_EVERY:
        return
    run.claimed_until = now + CLAIM
    mine = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING)
    if not mine.update(claimed_until=run.claimed_until):
        raise Superseded


def _end(run: SyncRun, client: ElevenLabs, problems: list[str]) -> None:
    """Record the outcome, unless another run has already recorded this one as dead."""
    SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.RUNNING).update(
        state=SyncRun.State.PARTIAL if problems else SyncRun.State.COMPLETE,
        problem=" ".join(problems),
        ended_at=timezone.now(),
        workspace=run.workspace,
        calls=len(client.calls),
        waited_ms=round(sum(call.milliseconds for call in client.calls)),
        **{name: getattr(run, name) for name in ("seen", "added", "changed", "gone", "quarantined")},
    )


def _sync_one(collection: Collection, run: SyncRun, client: ElevenLabs, cause: Cause) -> list[str]:
    began = timezone.now()
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        for row in collection.listing(client):
            rows.append(row)
            _hold(run)
    except ElevenLabsError as error:
        problems.append(f"The list of {collection.what} could not be read to its end. {error}")
    touched = collection.touched_since(began)
    known = {row.remote_id: row for row in collection.model._default_manager.all()}
    seen: set[str] = set()
    trouble = _Trouble(collection, run)
    for row in rows:
        _hold(run)
        remote_id = row.get(collection.id_field)
        if not isinstance(remote_id, str) or not is_id(remote_id):
            _quarantine(run, collection, "it has no id that could be one")
            continue
        if remote_id in seen:
            continue  # rows may move between pages while they are read
        seen.add(remote_id)  # listed is listed, whatever the rest of the row looks like
        if remote_id in touched:
            continue
        try:
            _keep(collection, remote_id, row, known.get(remote_id), run, client, cause)
            trouble.over()
        except ElevenLabsError as error:
            if trouble.stops(error):
                problems.append(f"The details of {collection.what} could not be read. {error}")
                break
    run.seen += len(seen)
    if not problems:
        problems += _look_after_unseen(collection, seen, touched, run, client, cause)
    return problems


class _Trouble:
    """Errors while single objects are read: most are about that object alone, which is left out of this run."""

    def __init__(self, collection: Collection, run: SyncRun) -> None:
        self._collection, self._run, self._in_a_row = collection, run, 0

    def over(self) -> None:
        self._in_a_row = 0

    def stops(self, error: ElevenLabsError) -> bool:
        """Leave the object out; True if the error says that there is no use in going on."""
        if isinstance(error, STOPPING):
            return True
        _quarantine(self._run, self._collection, str(error))
        # "No" and "this makes no sense" are clear answers about one object. Three without an answer are an outage.
        clear = isinstance(error, BadShape) or not isinstance(error, Unclear)
        self._in_a_row = 0 if clear else self._in_a_row + 1
        return self._in_a_row >= UNCLEAR_IN_A_ROW


def _keep(
    collection: Collection,
    remote_id: str,
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
    except IntegrityError as error:
        if known is not None or not collection.model._default_manager.filter(remote_id=remote_id).exists():
            _refused_by_database(run, collection, error)
        return  # else it is new, and an operation has just stored it
    except (DataError, OverflowError, ValueError) as error:  # ValueError: also half a character
        _refused_by_database(run, collection, error)
        return
    if differed and known is None:
        run.added += 1
    elif differed:
        run.changed += 1


def _refused_by_database(run: SyncRun, collection: Collection, error: Exception) -> None:
    _quarantine(run, collection, f"the database refused it ({type(error).__name__})")


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
    trouble = _Trouble(collection, run)
    for row in unseen:
        _hold(run)
        try:
            collection.probe(client, row.remote_id, cause)
            trouble.over()
        except NotFound:
            trouble.over()
            if row.missing_since is None:
                # Bookkeeping of ours, no change at the remote: not told in the ledger.
                type(row)._default_manager.filter(pk=row.pk).update(missing_since=timezone.now())
            elif collection.bury(row.remote_id, cause):
                run.gone += 1
        except ElevenLabsError as error:
            if trouble.stops(error):
                return [f"What is missing from the list of {collection.what} could not be looked up. {error}"]
        except (DataError, IntegrityError, OverflowError, ValueError) as error:
            _refused_by_database(run, collection, error)
    return []
