"""Runs integrity checks of the history in a worker, on request or once a day, with progress."""

import time
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from controlplane.audit import chain, ledger, triggers
from controlplane.audit.models import Entry, Link, Verification

INTERVAL = timedelta(days=1)
MAX_RUNTIME_S = 600.0  # seconds: well under the time limit of a task; the next wake-up goes on from there
LEASE = timedelta(seconds=90)  # longer than a thousand entries take
NOT_PROTECTED = (
    "The triggers that refuse changes of the history are not all there, or were switched off: entries "
    "could be changed by anyone with access to the database. `manage.py migrate` installs them again."
)
State = Verification.State


def request(name: str) -> Verification:
    """The one that is under way, or a new one for the next worker."""
    try:
        with transaction.atomic():
            return Verification.objects.create(asked_by_name=name)
    except IntegrityError:
        return Verification.objects.filter(state=State.OPEN).first() or Verification.objects.latest("pk")


def newest() -> Verification | None:
    """The newest that came to an end."""
    return Verification.objects.exclude(state=State.OPEN).first()


def run_due() -> Verification | None:
    """Do the one that was asked for, or today's. None where there is none, or another worker does it."""
    one = Verification.objects.first()
    if one is None or (one.state != State.OPEN and one.asked_at < timezone.now() - INTERVAL):
        one = request(ledger.SYSTEM)
    if one.state != State.OPEN or not _claim(one):
        return None
    until = time.monotonic() + MAX_RUNTIME_S
    found = begun = chain.Finding(sealed=one.sealed, head=one.digest, position=one.position)
    for found in chain.read(begun):
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
    now = timezone.now()
    begun = one.started_at or now
    if not _row(one).filter(claimed_until__lte=now).update(claimed_until=now + LEASE, started_at=begun):
        return False
    if one.started_at is None:
        chain.seal(everything=True)
        _row(one).update(due=Link.objects.count())
    one.refresh_from_db()
    return True


def _end(one: Verification, found: chain.Finding) -> None:
    """What was found; that it is not whole stands in the history too, once."""
    last = newest()
    problem = found.broken or ("" if triggers.is_installed() else NOT_PROTECTED)
    state = State.BROKEN if found.broken else State.UNGUARDED if problem else State.WHOLE
    with transaction.atomic():
        ended = {"state": state, "ended_at": timezone.now(), "problem": problem, "entry_id": found.entry_id}
        if not _row(one).update(**ended, unsealed=chain.unsealed()):
            return
        if problem and (last is None or last.problem != problem):
            cause = ledger.Cause(Entry.Cause.SYSTEM, "verify_history")
            told = {"told": f"integrity check failed: {problem}"}
            ledger.record(ledger.entry("history.broken", "history", "", "History", after=told, cause=cause))
    one.refresh_from_db()


def _row(one: Verification) -> QuerySet[Verification]:
    return Verification.objects.filter(pk=one.pk, state=State.OPEN)
