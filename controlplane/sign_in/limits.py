"""Limits failed sign-ins per account, device and address: docs/decisions/0014-sign-in-limits.md.

An attempt is counted before its password is checked, and the count is reverted if the password was correct. So any
number of concurrent attempts, in any number of processes, hash no more passwords than the limit.
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
    """Refused before the password was checked."""

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
    """An attempt that was allowed to proceed to the password check."""

    counters: list[Counter]
    locked_by_it: list[FailureCount] = field(default_factory=list)  # the locks that begin if it fails
    signed_in: User | None = None


def begin(request: HttpRequest, username: str) -> Attempt:
    """Count an attempt. Raises `Locked` if a limit is reached."""
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
            pass  # a concurrent attempt reached the limit
    raise _refuse(attempt.counters)


def failed(attempt: Attempt) -> None:
    """The password was wrong. The count stays; if a lock began, the history records it."""
    for row in attempt.locked_by_it:
        _record(row, "locked", _lock_message(row))


def succeeded(attempt: Attempt, user: User) -> None:
    """Reset the count of this account from this address or device. Shared counts only lose this attempt: otherwise the
    owner of one account could guess other users' passwords without limit."""
    attempt.signed_in = user
    for counter in attempt.counters:
        rows = FailureCount.objects.filter(key=counter.key)
        if counter.scope in (Scope.PAIR, Scope.DEVICE):
            for row in rows.select_related("user"):
                _close(row)
        else:
            rows.filter(failures__gt=0).update(failures=F("failures") - 1)


def purge_expired() -> int:
    """Remove the counts whose window or lock has ended. Returns the number of rows removed."""
    closed = sum(_close(row) for row in _expired().filter(refused__gt=0))
    return closed + _expired().filter(refused=0).delete()[0]


def _expired() -> QuerySet[FailureCount]:
    return FailureCount.objects.filter(expires_at__lte=timezone.now()).select_related("user")


def _counters(request: HttpRequest, username: str) -> list[Counter]:
    user = User.objects.filter(username=username).first()
    address = network(client_address(request))
    account = f"user {user.pk}" if user else f"name {username}"
    device = devices.known(request, user) if user else ""
    if device:  # no one else can use up this limit
        return [Counter(Scope.DEVICE, _digest("device", account, device), user, address)]
    return [  # every transaction locks them in this order, so there is no deadlock
        Counter(Scope.ADDRESS, _digest("address", address), None, address),
        Counter(Scope.ACCOUNT, _digest("account", account), user, ""),
        Counter(Scope.PAIR, _digest("pair", account, address), user, address),
    ]


def _digest(*parts: str) -> str:
    return salted_hmac("controlplane.sign_in", "\n".join(parts), algorithm="sha256").hexdigest()


def _locks(counters: Collection[Counter]) -> list[FailureCount]:
    """The counters that are locked now, most specific first."""
    limits = {counter.key: counter.limit for counter in counters}
    rows = FailureCount.objects.filter(key__in=limits, expires_at__gt=timezone.now()).select_related("user")
    locks = [row for row in rows if row.failures >= limits[row.key]]
    return sorted(locks, key=lambda row: MOST_SPECIFIC_FIRST.index(Scope(row.scope)))


def _count(counter: Counter) -> bool:
    """False if the limit is reached. One conditional UPDATE decides and counts."""
    now = timezone.now()
    expires_at = now + settings.SIGN_IN_WINDOW
    available = FailureCount.objects.filter(key=counter.key, expires_at__gt=now, failures__lt=counter.limit)
    # The last allowed attempt starts the lock, so the lock lasts its full time and further attempts do not extend it.
    last = When(failures__gte=counter.limit - 1, then=expires_at)
    counted = {"failures": F("failures") + 1, "expires_at": Case(last, default=F("expires_at"))}
    if available.update(**counted):
        return True
    new = FailureCount(
        key=counter.key, scope=counter.scope, user=counter.user, address=counter.address, expires_at=expires_at
    )
    FailureCount.objects.bulk_create([new], ignore_conflicts=True)
    return bool(available.update(**counted))


def _refuse(counters: Collection[Counter]) -> Locked:
    locks = _locks(counters)
    if not locks:  # the attempt that had reached the limit succeeded
        return Locked(Scope.PAIR, "", 1)
    lock, until = locks[0], max(row.expires_at for row in locks)
    FailureCount.objects.filter(pk=lock.pk).update(refused=F("refused") + 1)
    return Locked(lock.scope, lock.address, _seconds_to(until))


def _close(row: FailureCount) -> bool:
    """Remove a count. A lock that refused attempts gets a single history entry, however many there were."""
    with transaction.atomic():
        if not FailureCount.objects.filter(pk=row.pk, refused=row.refused).delete()[0]:
            return False  # another process did it
        if row.refused:
            _record(row, "refused", _unlock_message(row))
    return True


def _record(row: FailureCount, verb: str, message: str) -> None:
    name = row.user.get_username() if row.user else row.address if row.scope == Scope.ADDRESS else UNKNOWN_USER
    cause = ledger.Cause(Entry.Cause.PERSON, "")
    pk = str(row.user_id) if row.user_id else ""
    with transaction.atomic():
        ledger.record(ledger.entry(f"person.{verb}", "person", pk, name, after={"told": message}, cause=cause))


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
