"""Sync runs and their lease: one runs at a time, and the lease expires with its worker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from controlplane.elevenlabs import ElevenLabs
from controlplane.mirror.models import SyncRun

LEASE = timedelta(seconds=90)  # longer than the slowest read with all its tries
EARLY_SHARE = 0.9  # of the interval: beat is not exact, and to miss a slot by a blink would double the interval
PROGRESS_INTERVAL = timedelta(seconds=1)
MAX_NAMED = 50  # so many that were left out, or calls that failed, are named; the rest are counted
WORKER_DIED = "The worker that ran it ended first."

Watcher = Callable[[SyncRun], None]


class LeaseLost(Exception):
    """This run's claim has lapsed and another one took its place: it writes nothing more."""


def host_of(base_url: str) -> str:
    return urlsplit(base_url).netloc[:200]


def request_sync(user: User | None, *, full: bool = False) -> SyncRun:
    """Somebody wants a run: the one that is under way, the one that was asked for, or a new one for the next worker."""
    close_abandoned()
    for _ in range(3):
        known = SyncRun.objects.filter(state__in=[SyncRun.State.RUNNING, SyncRun.State.ASKED]).order_by("-id").first()
        if known is not None:
            return known
        try:
            with transaction.atomic():
                return SyncRun.objects.create(state=SyncRun.State.ASKED, requested_by=user, full=full)
        except IntegrityError:
            continue  # somebody asked between our two looks
    return SyncRun.objects.latest("pk")


def close_abandoned() -> None:
    """A run whose worker died did not list everything, whatever it had read."""
    now = timezone.now()
    SyncRun.objects.filter(state=SyncRun.State.RUNNING, claimed_until__lt=now).update(
        state=SyncRun.State.PARTIAL, ended_at=now, problem=WORKER_DIED
    )


def start(base_url: str, *, full: bool = False, requested_by: User | None = None) -> SyncRun | None:
    """Begin the run that was asked for, or a new one. None if another is under way."""
    close_abandoned()
    now = timezone.now()
    begun = {
        "state": SyncRun.State.RUNNING,
        "started_at": now,
        "claimed_until": now + LEASE,
        "remote": host_of(base_url),
    }
    asked = SyncRun.objects.filter(state=SyncRun.State.ASKED).first()
    try:
        with transaction.atomic():
            if asked is None:
                return SyncRun.objects.create(**begun, full=full, requested_by=requested_by)
            if not SyncRun.objects.filter(pk=asked.pk, state=SyncRun.State.ASKED).update(
                **begun, full=full or asked.full
            ):
                return None
    except IntegrityError:
        return None
    asked.refresh_from_db()
    return asked


def is_due() -> bool:
    """Is it time for the next run? Somebody asked, or the newest is an interval old. Two beats do no harm."""
    newest = SyncRun.objects.order_by("-started_at").first()
    if newest is None or newest.state == SyncRun.State.ASKED:
        return True
    return timezone.now() >= newest.started_at + timedelta(seconds=EARLY_SHARE * settings.SYNC_INTERVAL)


def prune() -> int:
    """Delete runs older than settings keep; how many. Those that tell what the picture is of, and since when, stay; and
    of the complete ones the last of each hour, as long as history is kept: they tell how fresh the picture was then."""
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE)
    needed = [complete.values_list("pk", flat=True).first()]
    needed.append(complete.exclude(workspace="").values_list("pk", flat=True).first())
    now = timezone.now()
    old = SyncRun.objects.filter(ended_at__lt=now - settings.SYNC_RUNS_KEPT)
    told = complete.filter(ended_at__gte=now - settings.HISTORY_KEPT) if settings.HISTORY_KEPT else complete
    hours = told.order_by().annotate(hour=TruncHour("ended_at", tzinfo=UTC)).values("hour")
    last_of_each = hours.annotate(last=Max("pk")).values_list("last", flat=True)
    return old.exclude(pk__in=[pk for pk in needed if pk]).exclude(pk__in=list(last_of_each)).delete()[0]


def is_stalled(run: SyncRun) -> bool:
    """Asked for, and no worker came though beat wakes one each interval."""
    return timezone.now() > run.started_at + timedelta(seconds=settings.SYNC_INTERVAL + 30)


# How a commit waits for the disk: what it is, how it is set, and the value that does not wait.
ON_DISK = {
    "postgresql": ("SHOW synchronous_commit", "SET synchronous_commit TO {}", "off"),
    "sqlite": ("PRAGMA synchronous", "PRAGMA synchronous = {}", "NORMAL"),
}


@contextmanager
def without_waiting_for_the_disk() -> Iterator[None]:
    """Inside, a commit is answered before it is on the disk. What a machine that dies meanwhile forgets, it forgets
    from the end, and the next run reads it again. The first commit after this block, such as the one that ends the
    run, brings all before it to the disk. Inside a transaction it changes nothing."""
    request_sync, setting, value = ON_DISK[connection.vendor]
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(request_sync)
        [before] = cursor.fetchone()
        cursor.execute(setting.format(value))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(setting.format(before))


class Lease:
    """A running run, as its worker holds it. Counts stand on `run` and reach the row with the claim."""

    def __init__(self, run: SyncRun, client: ElevenLabs, watch: Watcher | None = None) -> None:
        self.run = run
        self.client = client
        self._watch = watch
        self._told_at = timezone.now()

    def phase(self, words: str, due: int) -> None:
        self.run.phase, self.run.done, self.run.due = words, 0, due
        self.hold(at_once=True)

    def hold(self, *, done: int = 0, at_once: bool = False) -> None:
        """Go on, and say so once a second. Raises `Superseded` where the run was taken for dead."""
        self.run.done += done
        if at_once or not self._told_at <= timezone.now() < self._told_at + PROGRESS_INTERVAL:
            self.fence()

    def fence(self) -> None:
        """Renew the claim, in the transaction of what is written next: a run that lost it cannot write any more."""
        self._told_at = timezone.now()
        self.run.claimed_until = self._told_at + LEASE
        if not self._mine().update(claimed_until=self.run.claimed_until, **self._counts()):
            raise LeaseLost
        if self._watch is not None:
            self._watch(self.run)

    def leave_out(self, what: str, remote_id: object, why: str) -> None:
        """Quarantine: one object is not stored, the rest goes on."""
        self.run.quarantined += 1
        if len(self.run.left_out) < MAX_NAMED:
            known = remote_id[:64] if isinstance(remote_id, str) and remote_id.isprintable() else ""
            self.run.left_out.append({"what": what, "id": known, "why": why})

    def end(self, state: SyncRun.State, problem: str) -> None:
        """Record the outcome, unless another run has already recorded this one as dead."""
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
        self._mine().update(
            state=state, problem=problem, ended_at=timezone.now(), failed_calls=records, **self._counts()
        )
        self.run.refresh_from_db()
        if self._watch is not None:
            self._watch(self.run)

    def before(self) -> datetime | None:
        """When the newest complete run before this one began: what stood here was true then."""
        complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=self.run.pk)
        return complete.values_list("started_at", flat=True).first()

    def _mine(self) -> QuerySet[SyncRun]:
        return SyncRun.objects.filter(pk=self.run.pk, state=SyncRun.State.RUNNING)

    def _counts(self) -> dict[str, object]:
        names = ("workspace", "phase", "done", "due", "seen", "added", "changed", "gone", "quarantined", "left_out")
        calls = list(self.client.calls)
        return {name: getattr(self.run, name) for name in names} | {
            "calls": sum(call.tries > 0 for call in calls),
            "waited_ms": round(sum(call.milliseconds for call in calls)),
        }
