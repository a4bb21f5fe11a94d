"""Runs integrity checks of the history in a worker, on request or once a day, with progress."""

import time
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from controlplane import lease
from controlplane.audit import chain, ledger, triggers
from controlplane.audit.models import Entry, Link, Verification

INTERVAL = timedelta(days=1)
MAX_RUNTIME_S = 600.0  # seconds: well below the task time limit; the next scheduled run resumes
LEASE = timedelta(seconds=90)  # longer than one batch of a thousand entries takes
NOT_PROTECTED = (
    "The triggers that refuse changes of the history are not all there, or were switched off: entries "
    "could be changed by anyone with access to the database. `manage.py migrate` installs them again."
)
State = Verification.State


def request(name: str) -> Verification:
    """The verification in progress, or a new one for the next worker."""
    try:
        with transaction.atomic():
            return Verification.objects.create(asked_by_name=name)
    except IntegrityError:
        return Verification.objects.filter(state=State.OPEN).first() or Verification.objects.latest("pk")


def newest() -> Verification | None:
    """The newest finished verification."""
    return Verification.objects.exclude(state=State.OPEN).first()


def run_due() -> Verification | None:
    """Run the requested verification, or the daily one. Returns None if none is due or another worker holds it."""
    one = Verification.objects.first()
    if one is None or (one.state != State.OPEN and one.asked_at < timezone.now() - INTERVAL):
        one = request(ledger.SYSTEM)
    if one.state != State.OPEN or not _claim(one):
        return None
    until = time.monotonic() + MAX_RUNTIME_S
    found = start = chain.Finding(sealed=one.sealed, head=one.digest, position=one.position)
    for found in chain.read(start):
        one.sealed, one.digest, one.position = found.sealed, found.head, found.position
        over = time.monotonic() > until
        one.claimed_until = timezone.now() + (timedelta() if over else LEASE)
        if not _row(one).update(
            sealed=one.sealed, digest=one.digest, position=one.position, claimed_until=one.claimed_until
        ):
            return None
        if over and not found.broken:
            return one
    _end(one, found)
    return one


def _claim(one: Verification) -> bool:
    if one.claimed_until > timezone.now() or not lease.take(_row(one), one, "claimed_until", LEASE):
        return False
    if one.started_at is None:
        chain.seal(everything=True)
        _row(one).update(started_at=timezone.now(), due=Link.objects.count())
    one.refresh_from_db()
    return True


def _end(one: Verification, found: chain.Finding) -> None:
    """Store the result. A problem is also recorded in the history, once."""
    last = newest()
    problem = found.broken or ("" if triggers.is_installed() else NOT_PROTECTED)
    state = State.BROKEN if found.broken else State.UNGUARDED if problem else State.WHOLE
    with transaction.atomic():
        ended = {"state": state, "ended_at": timezone.now(), "problem": problem, "entry_id": found.entry_id}
        if not _row(one).update(**ended, unsealed=chain.unsealed()):
            return
        if problem and (last is None or last.problem != problem):
            cause = ledger.Cause(Entry.Cause.SYSTEM, "verify_history")
            summary = {"told": f"integrity check failed: {problem}"}
            ledger.record(ledger.entry("history.broken", "history", "", "History", after=summary, cause=cause))
    one.refresh_from_db()


def _row(one: Verification) -> QuerySet[Verification]:
    return Verification.objects.filter(pk=one.pk, state=State.OPEN)
