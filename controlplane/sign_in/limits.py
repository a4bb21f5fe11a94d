"""Limits failed sign-ins per account, device and address: docs/decisions/0014-sign-in-limits.md.

An attempt is counted before its password is looked at, and the count is taken back if the password was right. So any
number of attempts at once, on any number of processes, hash no more passwords than the limit.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, F, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from controlplane.audit import ledger
from controlplane.audit.auth_events import UNKNOWN_USER
from controlplane.audit.models import Entry
from controlplane.client_address import client_address, network
from controlplane.sign_in import devices
from controlplane.sign_in.models import FailureCount

Scope = FailureCount.Scope
MOST_SPECIFIC_FIRST = [Scope.DEVICE, Scope.PAIR, Scope.ACCOUNT, Scope.ADDRESS]


class Locked(Exception):
    """Refused before the password was looked at."""

    def __init__(self, scope: str, address: str, seconds: int) -> None:
        super().__init__(f"Too many failed sign-ins. Try again in {_minutes(seconds)}.")
        self.scope, self.address, self.seconds = scope, address, seconds

    @property
    def wait(self) -> str:
        return _minutes(self.seconds)


class _LimitReached(Exception):
    pass


@dataclass(frozen=True)
class Counter:
    scope: Scope
    key: str
    user: User | None
    address: str

    @property
    def limit(self) -> int:
        return settings.SIGN_IN_FAILURES[self.scope]


@dataclass
class Attempt:
    """One that was let through to the password check."""

    counters: list[Counter]
    locked_by_it: list[FailureCount] = field(default_factory=list)  # the limits that it reaches if it fails
    signed_in: User | None = None


def begin(request: HttpRequest, username: str) -> Attempt:
    """Count an attempt. Raises `Locked` where a limit has been reached."""
    attempt = Attempt(_counters(request, username))
    for row in _expired().filter(key__in=[counter.key for counter in attempt.counters]):
        _close(row)
    if not _locks(attempt.counters):
        try:
            with transaction.atomic():
                for counter in attempt.counters:
                    if not _count(counter):
                        raise _LimitReached
                attempt.locked_by_it = _locks(attempt.counters)
            return attempt
        except _LimitReached:
            pass  # by another attempt, a moment ago
    raise _refuse(attempt.counters)


def failed(attempt: Attempt) -> None:
    """The password was wrong. The count stays; where a lock began, the history says so."""
    for row in attempt.locked_by_it:
        _record(row, "locked", _lock_message(row))


def succeeded(attempt: Attempt, user: User) -> None:
    """The count of this account from here starts again. The counts that others share lose this attempt only: otherwise
    the owner of one account could guess the passwords of the others for ever."""
    attempt.signed_in = user
    for counter in attempt.counters:
        mine = FailureCount.objects.filter(key=counter.key)
        if counter.scope in (Scope.PAIR, Scope.DEVICE):
            for row in mine.select_related("user"):
                _close(row)
        else:
            mine.filter(failures__gt=0).update(failures=F("failures") - 1)


def purge_expired() -> int:
    """Remove the counts whose window or lock is over. Returns how many rows were removed."""
    closed = sum(_close(row) for row in _expired().filter(refused__gt=0))
    return closed + _expired().filter(refused=0).delete()[0]


def _expired() -> QuerySet[FailureCount]:
    return FailureCount.objects.filter(expires_at__lte=timezone.now()).select_related("user")


def _counters(request: HttpRequest, username: str) -> list[Counter]:
    user = User.objects.filter(username=username).first()
    address = network(client_address(request))
    account = f"user {user.pk}" if user else f"name {username}"
    device = devices.known(request, user) if user else ""
    if device:  # nobody else can use up what is counted here
        return [Counter(Scope.DEVICE, _digest("device", account, device), user, address)]
    return [  # every transaction takes them in this order, so none waits for another in a circle
        Counter(Scope.ADDRESS, _digest("address", address), None, address),
        Counter(Scope.ACCOUNT, _digest("account", account), user, ""),
        Counter(Scope.PAIR, _digest("pair", account, address), user, address),
    ]


def _digest(*parts: str) -> str:
    return salted_hmac("controlplane.sign_in", "\n".join(parts), algorithm="sha256").hexdigest()


def _locks(counters: Collection[Counter]) -> list[FailureCount]:
    """Those of these counts that are locks now, the most specific one first."""
    limits = {counter.key: counter.limit for counter in counters}
    rows = FailureCount.objects.filter(key__in=limits, expires_at__gt=timezone.now()).select_related("user")
    locks = [row for row in rows if row.failures >= limits[row.key]]
    return sorted(locks, key=lambda row: MOST_SPECIFIC_FIRST.index(Scope(row.scope)))


def _count(counter: Counter) -> bool:
    """False if the limit has been reached. One conditional UPDATE decides and counts."""
    now = timezone.now()
    ends = now + settings.SIGN_IN_WINDOW
    free = FailureCount.objects.filter(key=counter.key, expires_at__gt=now, failures__lt=counter.limit)
    # The last one that is allowed begins the lock, so the lock lasts its whole time and no attempt extends it.
    last = When(failures__gte=counter.limit - 1, then=ends)
    counted = {"failures": F("failures") + 1, "expires_at": Case(last, default=F("expires_at"))}
    if free.update(**counted):
        return True
    new = FailureCount(
        key=counter.key, scope=counter.scope, user=counter.user, address=counter.address, expires_at=ends
    )
    FailureCount.objects.bulk_create([new], ignore_conflicts=True)
    return bool(free.update(**counted))


def _refuse(counters: Collection[Counter]) -> Locked:
    locks = _locks(counters)
    if not locks:  # the attempt that had reached the limit was a good one
        return Locked(Scope.PAIR, "", 1)
    lock, until = locks[0], max(row.expires_at for row in locks)
    FailureCount.objects.filter(pk=lock.pk).update(refused=F("refused") + 1)
    return Locked(lock.scope, lock.address, _seconds_to(until))


def _close(row: FailureCount) -> bool:
    """Remove a count. For a lock that refused attempts the history gets one entry, however many there were."""
    with transaction.atomic():
        if not FailureCount.objects.filter(pk=row.pk, refused=row.refused).delete()[0]:
            return False  # another process did
        if row.refused:
            _record(row, "refused", _unlock_message(row))
    return True


def _record(row: FailureCount, verb: str, words: str) -> None:
    name = row.user.get_username() if row.user else row.address if row.scope == Scope.ADDRESS else UNKNOWN_USER
    cause = ledger.Cause(Entry.Cause.PERSON, "")
    pk = str(row.user_id) if row.user_id else ""
    with transaction.atomic():
        ledger.record(ledger.entry(f"person.{verb}", "person", pk, name, after={"told": words}, cause=cause))


def _lock_message(row: FailureCount) -> str:
    where = {
        Scope.PAIR: f" for sign-ins from {row.address or 'an unknown address'}",
        Scope.DEVICE: f" on a known device, last used from {row.address or 'an unknown address'}",
        Scope.ADDRESS: " for sign-ins with any name",
        Scope.ACCOUNT: " on all but known devices",
    }[Scope(row.scope)]
    lasts = _minutes(round(settings.SIGN_IN_WINDOW.total_seconds()))
    return f"was locked{where} for {lasts}, after {row.failures} failed sign-ins"


def _unlock_message(row: FailureCount) -> str:
    where = {
        Scope.PAIR: f" from {row.address or 'an unknown address'}",
        Scope.DEVICE: " on a known device",
        Scope.ADDRESS: "",
        Scope.ACCOUNT: " on unknown devices",
    }[Scope(row.scope)]
    count = "1 more sign-in" if row.refused == 1 else f"{row.refused} more sign-ins"
    return f"{count}{where} {'was' if row.refused == 1 else 'were'} refused while it was locked"


def _seconds_to(moment: datetime) -> int:
    return max(1, math.ceil((moment - timezone.now()).total_seconds()))


def _minutes(seconds: int) -> str:
    minutes = max(1, math.ceil(seconds / 60))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
