"""Polls for imported numbers until ElevenLabs lists them. Each row stores its next poll, so any worker can do it."""

import logging
import math
import statistics
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, IntegrityError
from django.utils import timezone

from controlplane import lease
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, NotFound, connect
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.readings import Reading
from controlplane.mirror.write_log import writes
from controlplane.operations.execute import CLICK_PATIENCE_S
from numbers import mirror
from numbers.models import PhoneNumber

log = logging.getLogger(__name__)

# Every second for a minute, then every minute up to ten: docs/decisions/0006-imports-are-polled-every-second.md
FAST_INTERVAL, FAST_PERIOD = timedelta(seconds=1), timedelta(minutes=1)
EARLY_TOLERANCE = (
    FAST_INTERVAL / 2
)  # an early tick also takes what is due shortly after it, because the next tick is a second away
SLOW_INTERVAL, GIVE_UP_AFTER = timedelta(minutes=1), timedelta(minutes=10)
RECHECK_AFTER = timedelta(minutes=10)  # between the two GETs by id that have to answer 404
LEASE = timedelta(seconds=30)  # the next tick does not repeat a poll that hangs; after this, its worker counts as dead
READ_PATIENCE_S = 5.0  # for one read: the next poll is soon
MAX_BATCH = 200
MAX_PAGE_SIZE = 1000
SAMPLE_ROWS = 100  # the latest imports, from which the typical time is computed

POLL_CAUSE = Cause(Entry.Cause.SYNC, "poll")


def poll_due(client: ElevenLabs | None = None) -> int:
    """Poll for every import that is due. Returns how many are listed now."""
    started_at = timezone.now()
    due = (
        PhoneNumber.objects.existing()
        .filter(listed_at=None, poll_at__lte=started_at + EARLY_TOLERANCE)
        .order_by("poll_at")
    )
    rows = [row for row in due[:MAX_BATCH] if lease.take(PhoneNumber.objects.all(), row, "poll_at", LEASE)]
    if not rows:
        return 0
    client = client or connect(patience=READ_PATIENCE_S)
    try:
        found = poll_listing(rows, client)
    except ElevenLabsError:
        for row in rows:  # without an answer nothing is decided
            _update(row, poll_at=next_poll_at(row) or timezone.now() + SLOW_INTERVAL)
        return 0
    touched = writes().touched_since("number", started_at)
    listed = 0
    for row in rows:
        next_at = next_poll_at(row)
        if row.remote_id in touched:  # an operation has newer information than this list
            _update(row, poll_at=next_at or timezone.now() + FAST_INTERVAL)
        elif row.remote_id in found and _store(found[row.remote_id], started_at, listed=True):
            listed += 1
        elif next_at is not None:
            _update(row, poll_at=next_at)
        else:
            _give_up(row, client)
    return listed


def check_again(row: PhoneNumber, client: ElevenLabs | None = None) -> tuple[bool, str]:
    """Poll now at a user's request and, if the number is still not listed, restart the polling schedule.

    Returns (whether it is listed, message for the user).
    """
    if row.listed_at is not None or row.gone_at is not None:
        return row.gone_at is None, f"{row} is {'gone at ElevenLabs' if row.gone_at else 'listed already'}."
    asked_at = timezone.now()
    try:
        found = poll_listing([row], client or connect(patience=CLICK_PATIENCE_S))
        message = f"ElevenLabs does not list {row} yet."
    except ElevenLabsError as error:
        found, message = {}, f"Whether {row} is listed could not be read. {error}"
    if found:
        if _store(found[row.remote_id], asked_at, listed=True):
            return True, f"ElevenLabs lists {row} now."
        message = f"ElevenLabs lists {row}, but in a form that cannot be kept here."
    if row.gave_up_at is not None or row.poll_at is None:
        now = timezone.now()
        waiting = PhoneNumber.objects.existing().filter(pk=row.pk, listed_at=None)
        waiting.update(poll_from=now, poll_at=now + FAST_INTERVAL, gave_up_at=None)
    return False, f"{message} We look each second for a minute, then each minute to ten; this page shows it by itself."


def poll_listing(rows: list[PhoneNumber], client: ElevenLabs) -> dict[str, dict[str, Any]]:
    """{remote id: data} of those rows that ElevenLabs lists."""
    remote_ids = {row.remote_id for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for data in _listing(rows, client):
        if data.get("phone_number_id") in remote_ids:
            found[data["phone_number_id"]] = data
            if len(found) == len(remote_ids):
                break
    return found


def _listing(rows: list[PhoneNumber], client: ElevenLabs) -> Iterator[dict[str, Any]]:
    """One request for each number or all pages of the list, whichever takes fewer requests."""
    pages = 1 + PhoneNumber.objects.existing().count() // MAX_PAGE_SIZE if len(rows) > 1 else 1
    if len(rows) > pages:
        yield from client.all_numbers(page_size=MAX_PAGE_SIZE)
        return
    for row in rows:
        yield from client.list_numbers(phone_number=row.phone_number).rows


def next_poll_at(row: PhoneNumber) -> datetime | None:
    """The next due time, or None when ten minutes have passed. From then on only staff check again."""
    passed = timezone.now() - row.sought_since
    interval = FAST_INTERVAL if passed < FAST_PERIOD else SLOW_INTERVAL
    due = (passed // interval + 1) * interval
    return row.sought_since + due if due <= GIVE_UP_AFTER else None


def _give_up(row: PhoneNumber, client: ElevenLabs) -> None:
    """The number is in no list: GET it by its id. After a 404 it is read once more later, and a second 404 marks it as
    deleted."""
    now = timezone.now()
    try:
        _store(client.get_number(row.remote_id).raw, now, listed=False)
    except NotFound:
        missing_since = row.missing_since or now
        if now - missing_since >= RECHECK_AFTER:
            mirror.mark_gone(row.remote_id, POLL_CAUSE)
        else:
            recheck_at = missing_since + RECHECK_AFTER
            _update(row, gave_up_at=row.gave_up_at or now, missing_since=missing_since, poll_at=recheck_at)
        return
    except BadShape:
        pass  # the number exists, although the response is invalid
    except ElevenLabsError:
        _update(row, poll_at=now + SLOW_INTERVAL)
        return
    _update(row, gave_up_at=now, poll_at=None)


def _store(data: dict[str, Any], asked_at: datetime, *, listed: bool) -> bool:
    try:
        mirror.upsert_row(RemoteNumber.parse(data), POLL_CAUSE, Reading(asked_at), listed=listed)
    except (BadShape, DataError, IntegrityError, OverflowError, ValueError) as error:  # as in a sync
        log.warning("The imported number %s is there but cannot be kept: %s", data.get("phone_number_id"), error)
        return False
    return True


def _update(row: PhoneNumber, **values: datetime | None) -> None:
    """Unless the number was listed, or its polling was restarted, in the meantime."""
    PhoneNumber.objects.existing().filter(pk=row.pk, listed_at=None, poll_at=row.poll_at).update(**values)


def typical_times() -> tuple[float, float] | None:
    """How long the latest imports took to be listed: (median, 95th percentile) in seconds. None without imports."""
    listed = PhoneNumber.objects.filter(imported_at__isnull=False, listed_at__isnull=False).order_by("-imported_at")
    times = listed.values_list("imported_at", "listed_at")[:SAMPLE_ROWS]
    took = sorted((seen - imported).total_seconds() for imported, seen in times if imported and seen)
    return (statistics.median(took), took[math.ceil(0.95 * len(took)) - 1]) if took else None
