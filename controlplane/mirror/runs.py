"""Sync runs and their lease: one runs at a time, and the lease expires with its worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from celery import Task
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from controlplane.elevenlabs import ElevenLabs
from controlplane.enqueue import enqueue
from controlplane.mirror.models import SyncRun

LEASE = timedelta(seconds=90)  # longer than the slowest read with all its attempts
EARLY_SHARE = 0.9  # of the interval: beat is not exact, and just missing a slot would double the interval
PROGRESS_INTERVAL = timedelta(seconds=1)
MAX_NAMED = 50  # quarantined objects and failed calls that are listed; the rest are counted
WORKER_DIED = "The worker that ran it ended first."

Watcher = Callable[[SyncRun], None]


class LeaseLost(Exception):
    """The run's lease has expired and another run was started, so this one must not write any more."""


def host_of(base_url: str) -> str:
    return urlsplit(base_url).netloc[:200]


def request_sync(user: User | None, *, full: bool = False) -> SyncRun:
    """Request a run. Returns the one that is running or already requested, or a new one for the next worker."""
    close_abandoned()
    for _ in range(3):
        known = SyncRun.objects.filter(state__in=[SyncRun.State.RUNNING, SyncRun.State.ASKED]).order_by("-id").first()
        if known is not None:
            return known
        try:
            with transaction.atomic():
                return SyncRun.objects.create(state=SyncRun.State.ASKED, requested_by=user, full=full)
        except IntegrityError:
            continue  # another request was stored between the two queries
    return SyncRun.objects.latest("pk")


_task: list[Task[Any, Any]] = []


def provide_task(task: Task[Any, Any]) -> None:
    """The task that carries out a run. It needs the sources, which are above this package and register it here."""
    _task[:] = [task]


def enqueue_sync() -> bool:
    """False if the worker could not be notified; it then finds the request within a minute."""
    return enqueue(_task[0])


def close_abandoned() -> None:
    """Mark runs whose worker died as partial, whatever they had read."""
    now = timezone.now()
    SyncRun.objects.filter(state=SyncRun.State.RUNNING, claimed_until__lt=now).update(
        state=SyncRun.State.PARTIAL, ended_at=now, problem=WORKER_DIED
    )


def start(base_url: str, *, full: bool = False, requested_by: User | None = None) -> SyncRun | None:
    """Start the requested run, or a new one. None if another is running."""
    close_abandoned()
    now = timezone.now()
    values = {
        "state": SyncRun.State.RUNNING,
        "started_at": now,
        "claimed_until": now + LEASE,
        "remote": host_of(base_url),
    }
    requested = SyncRun.objects.filter(state=SyncRun.State.ASKED).first()
    try:
        with transaction.atomic():
            if requested is None:
                return SyncRun.objects.create(**values, full=full, requested_by=requested_by)
            if not SyncRun.objects.filter(pk=requested.pk, state=SyncRun.State.ASKED).update(
                **values, full=full or requested.full
            ):
                return None
    except IntegrityError:
        return None
    requested.refresh_from_db()
    return requested


def is_due() -> bool:
    """Whether a run was requested or the newest is one interval old. Safe to call from two beats."""
    newest = SyncRun.objects.order_by("-started_at").first()
    if newest is None or newest.state == SyncRun.State.ASKED:
        return True
    return timezone.now() >= newest.started_at + timedelta(seconds=EARLY_SHARE * settings.SYNC_INTERVAL)


def prune() -> int:
    """Delete runs older than `SYNC_RUNS_KEPT`. Returns how many.

    Kept are the newest complete run and the newest with a workspace, which identify the mirrored workspace and its
    age. The last complete run of each hour is kept as long as the history, to show how fresh the data was at the time.
    """
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE)
    needed = [complete.values_list("pk", flat=True).first()]
    needed.append(complete.exclude(workspace="").values_list("pk", flat=True).first())
    now = timezone.now()
    old = SyncRun.objects.filter(ended_at__lt=now - settings.SYNC_RUNS_KEPT)
    in_history = complete.filter(ended_at__gte=now - settings.HISTORY_KEPT) if settings.HISTORY_KEPT else complete
    hours = in_history.order_by().annotate(hour=TruncHour("ended_at", tzinfo=UTC)).values("hour")
    last_of_each = hours.annotate(last=Max("pk")).values_list("last", flat=True)
    return old.exclude(pk__in=[pk for pk in needed if pk]).exclude(pk__in=list(last_of_each)).delete()[0]


def is_stalled(run: SyncRun) -> bool:
    """For a requested run: no worker has started it, although beat triggers one every interval."""
    return timezone.now() > run.started_at + timedelta(seconds=settings.SYNC_INTERVAL + 30)


# Whether a commit waits for the disk: the query, the statement that sets it, and the value that does not wait.
SYNC_COMMIT_SQL = {
    "postgresql": ("SHOW synchronous_commit", "SET synchronous_commit TO {}", "off"),
    "sqlite": ("PRAGMA synchronous", "PRAGMA synchronous = {}", "NORMAL"),
}


@contextmanager
def asynchronous_commits() -> Iterator[None]:
    """Commits inside the block return before they are on disk.

    A crash loses the latest of them, and the next run reads the data again. The first commit after the block, such as
    the one that ends the run, also flushes all earlier ones. Does nothing inside a transaction.
    """
    query, statement, value = SYNC_COMMIT_SQL[connection.vendor]
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(query)
        [before] = cursor.fetchone()
        cursor.execute(statement.format(value))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(before))


class Lease:
    """The worker's lease on a running run. Counts are kept on `run` and stored whenever the lease is renewed."""

    def __init__(self, run: SyncRun, client: ElevenLabs, watch: Watcher | None = None) -> None:
        self.run = run
        self.client = client
        self._watch = watch
        self._renewed_at = timezone.now()

    def phase(self, words: str, due: int) -> None:
        self.run.phase, self.run.done, self.run.due = words, 0, due
        self.hold(at_once=True)

    def hold(self, *, done: int = 0, at_once: bool = False) -> None:
        """Count progress, and renew the lease once a second. Raises LeaseLost if the run was marked as dead."""
        self.run.done += done
        if at_once or not self._renewed_at <= timezone.now() < self._renewed_at + PROGRESS_INTERVAL:
            self.renew()

    def renew(self) -> None:
        """Renew the lease. Called in the transaction of each write, so that a run without it cannot write any more."""
        self._renewed_at = timezone.now()
        self.run.claimed_until = self._renewed_at + LEASE
        if not self._running_row().update(claimed_until=self.run.claimed_until, **self._counts()):
            raise LeaseLost
        if self._watch is not None:
            self._watch(self.run)

    def quarantine(self, what: str, remote_id: object, why: str) -> None:
        """Quarantine: one object is not stored, and the run continues with the rest."""
        self.run.quarantined += 1
        if len(self.run.left_out) < MAX_NAMED:
            known = remote_id[:64] if isinstance(remote_id, str) and remote_id.isprintable() else ""
            self.run.left_out.append({"what": what, "id": known, "why": why})

    def end(self, state: SyncRun.State, problem: str) -> None:
        """Store the outcome, unless another run has already marked this one as dead."""
        sent = [call for call in self.client.calls if call.tries]
        failed = [call for call in sent if call.status is None or not 200 <= call.status < 300]
        records = [
            {
                "method": call.method,
                "path": call.path,
                "status": call.status,
                "tries": call.tries,
                "trace": call.trace_id[:80],
                "ms": call.milliseconds,
            }
            for call in failed[:MAX_NAMED]
        ]
        self._running_row().update(
            state=state, problem=problem, ended_at=timezone.now(), failed_calls=records, **self._counts()
        )
        self.run.refresh_from_db()
        if self._watch is not None:
            self._watch(self.run)

    def before(self) -> datetime | None:
        """When the newest complete run before this one started, when the mirror was last known to be correct."""
        complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=self.run.pk)
        return complete.values_list("started_at", flat=True).first()

    def _running_row(self) -> QuerySet[SyncRun]:
        return SyncRun.objects.filter(pk=self.run.pk, state=SyncRun.State.RUNNING)

    def _counts(self) -> dict[str, object]:
        names = ("workspace", "phase", "done", "due", "seen", "added", "changed", "gone", "quarantined", "left_out")
        calls = list(self.client.calls)
        return {name: getattr(self.run, name) for name in names} | {
            "calls": sum(call.tries > 0 for call in calls),
            "waited_ms": round(sum(call.milliseconds for call in calls)),
        }
