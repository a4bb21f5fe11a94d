"""Polls for imported numbers until ElevenLabs lists them. The next poll is stored in each row, so any worker can go
on."""

import logging
import math
import statistics
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, IntegrityError
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, NotFound, connect
from controlplane.mirror.upsert import Reading
from controlplane.operations.models import Operation
from controlplane.operations.run import CLICK_PATIENCE_S
from numbers import mirror
from numbers.models import PhoneNumber

log = logging.getLogger(__name__)

# Every second for a minute, then every minute up to ten: docs/decisions/0006-imports-are-polled-every-second.md
EACH, FOR = timedelta(seconds=1), timedelta(minutes=1)
EARLY_S = EACH / 2  # a tick that comes a moment early takes what is due a moment later: the next is a second away
THEN_EACH, GIVE_UP_AFTER = timedelta(minutes=1), timedelta(minutes=10)
RECHECK_AFTER = timedelta(minutes=10)  # between two answers of 404 to a GET by id
LEASE = timedelta(seconds=30)  # a look that hangs is not begun again by the next tick; a worker that died is replaced
READ_PATIENCE_S = 5.0  # seconds for one read: the next look is near
MAX_BATCH = 200
MAX_PAGE_SIZE = 1000
SAMPLE_ROWS = 100  # imports, of which the usual time is told

POLL_CAUSE = Cause(Entry.Cause.SYNC, "poll")


def poll_due(client: ElevenLabs | None = None) -> int:
    """Look for every import that is due; how many are listed now."""
    began = timezone.now()
    due = PhoneNumber.objects.here().filter(listed_at=None, poll_at__lte=began + EARLY_S).order_by("poll_at")
    rows = [row for row in due[:MAX_BATCH] if _claim(row)]
    if not rows:
        return 0
    client = client or connect(patience=READ_PATIENCE_S)
    try:
        found = poll_listing(rows, client)
    except ElevenLabsError:
        for row in rows:  # no answer, no verdict
            _record(row, poll_at=next_poll_at(row) or timezone.now() + THEN_EACH)
        return 0
    touched = Operation.touched_since("number", began)
    listed = 0
    for row in rows:
        due_next = next_poll_at(row)
        if row.remote_id in touched:  # by an operation meanwhile: it knows better than this list
            _record(row, poll_at=due_next or timezone.now() + EACH)
        elif row.remote_id in found and _store(found[row.remote_id], began, listed=True):
            listed += 1
        elif due_next is not None:
            _record(row, poll_at=due_next)
        else:
            _give_up(row, client)
    return listed


def check_again(row: PhoneNumber, client: ElevenLabs | None = None) -> tuple[bool, str]:
    """Somebody asks: look now and, if it is still not there, begin anew. (Is it listed?, what to tell)."""
    if row.listed_at is not None or row.gone_at is not None:
        return row.gone_at is None, f"{row} is {'gone at ElevenLabs' if row.gone_at else 'listed already'}."
    asked_at = timezone.now()
    try:
        found = poll_listing([row], client or connect(patience=CLICK_PATIENCE_S))
        words = f"ElevenLabs does not list {row} yet."
    except ElevenLabsError as error:
        found, words = {}, f"Whether {row} is listed could not be read. {error}"
    if found:
        if _store(found[row.remote_id], asked_at, listed=True):
            return True, f"ElevenLabs lists {row} now."
        words = f"ElevenLabs lists {row}, but in a form that cannot be kept here."
    if row.gave_up_at is not None or row.poll_at is None:
        now = timezone.now()
        waiting = PhoneNumber.objects.here().filter(pk=row.pk, listed_at=None)
        waiting.update(poll_from=now, poll_at=now + EACH, gave_up_at=None)
    return False, f"{words} We look each second for a minute, then each minute to ten; this page shows it by itself."


def poll_listing(rows: list[PhoneNumber], client: ElevenLabs) -> dict[str, dict[str, Any]]:
    """Those of the rows that a list shows, as {remote id: data}. Many are looked for in one listing of everything."""
    wanted = {row.remote_id for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for data in _listing(rows, client):
        if data.get("phone_number_id") in wanted:
            found[data["phone_number_id"]] = data
            if len(found) == len(wanted):
                break
    return found


def _listing(rows: list[PhoneNumber], client: ElevenLabs) -> Iterator[dict[str, Any]]:
    """Whichever takes fewer calls: one for each number, or the pages of the whole list."""
    pages = 1 + PhoneNumber.objects.here().count() // MAX_PAGE_SIZE if len(rows) > 1 else 1
    if len(rows) > pages:
        yield from client.all_numbers(page_size=MAX_PAGE_SIZE)
        return
    for row in rows:
        yield from client.list_numbers(phone_number=row.phone_number).rows


def next_poll_at(row: PhoneNumber) -> datetime | None:
    """The next due time after now, or None when ten minutes have passed and only staff look again."""
    passed = timezone.now() - row.sought_since
    each = EACH if passed < FOR else THEN_EACH
    due = (passed // each + 1) * each
    return row.sought_since + due if due <= GIVE_UP_AFTER else None


def _give_up(row: PhoneNumber, client: ElevenLabs) -> None:
    """In no list: is it there by its id, or gone? After one 404 it is looked up once more; the second one decides."""
    now = timezone.now()
    try:
        _store(client.get_number(row.remote_id).raw, now, listed=False)
    except NotFound:
        missing_since = row.missing_since or now
        if now - missing_since >= RECHECK_AFTER:
            mirror.mark_gone(row.remote_id, POLL_CAUSE)
        else:
            again = missing_since + RECHECK_AFTER
            _record(row, gave_up_at=row.gave_up_at or now, missing_since=missing_since, poll_at=again)
        return
    except BadShape:
        pass  # something is there, whatever it looks like
    except ElevenLabsError:
        _record(row, poll_at=now + THEN_EACH)
        return
    _record(row, gave_up_at=now, poll_at=None)


def _store(data: dict[str, Any], asked_at: datetime, *, listed: bool) -> bool:
    try:
        mirror.upsert_row(data, POLL_CAUSE, Reading(asked_at), listed=listed)
    except (BadShape, DataError, IntegrityError, OverflowError, ValueError) as error:  # as a sync: it costs itself only
        log.warning("The imported number %s is there but cannot be kept: %s", data.get("phone_number_id"), error)
        return False
    return True


def _claim(row: PhoneNumber) -> bool:
    until = timezone.now() + LEASE
    mine = PhoneNumber.objects.filter(pk=row.pk, poll_at=row.poll_at).update(poll_at=until)
    row.poll_at = until
    return bool(mine)


def _record(row: PhoneNumber, **values: datetime | None) -> None:
    """Unless it was listed, or looked for anew, meanwhile."""
    PhoneNumber.objects.here().filter(pk=row.pk, listed_at=None, poll_at=row.poll_at).update(**values)


def typical_times() -> tuple[float, float] | None:
    """How long the last imports took to be listed: the median and the 95th percentile, in seconds."""
    listed = PhoneNumber.objects.filter(imported_at__isnull=False, listed_at__isnull=False).order_by("-imported_at")
    times = listed.values_list("imported_at", "listed_at")[:SAMPLE_ROWS]
    took = sorted((seen - imported).total_seconds() for imported, seen in times if imported and seen)
    return (statistics.median(took), took[math.ceil(0.95 * len(took)) - 1]) if took else None
