"""Wait for imported numbers to be listed. When to look next stands in each row, so any worker can go on."""

import logging
from datetime import datetime, timedelta
from itertools import chain, repeat

from django.db import DataError
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, connect
from numbers import store
from numbers.models import PhoneNumber

log = logging.getLogger(__name__)

# Seconds between looks: close together while it is usual (about 5 s), then each minute, to ten minutes in all.
WAITS = (1, 1, 1, 2, 3, 5, 8, 13, 26)
THEN_EACH = timedelta(minutes=1)
GIVE_UP_AFTER = timedelta(minutes=10)


def poll_due(client: ElevenLabs | None = None) -> int:
    """Look for every import that is due; how many are listed now."""
    due = PhoneNumber.objects.here().filter(listed_at=None, poll_at__lte=timezone.now()).order_by("poll_at")[:100]
    listed = 0
    for row in due:
        claimed = PhoneNumber.objects.filter(pk=row.pk, poll_at=row.poll_at).update(poll_at=next_look(row))
        if claimed:
            listed += look(row, client or connect())
    return listed


def look(row: PhoneNumber, client: ElevenLabs) -> bool:
    """Is it listed now? Then it is stored as such."""
    try:
        page = client.list_numbers(phone_number=row.phone_number)
    except ElevenLabsError:
        return False  # the row keeps its next due time
    found = next((data for data in page.rows if data.get("phone_number_id") == row.remote_id), None)
    if found is None:
        return False
    try:
        store.keep(found, Cause(Entry.Cause.SYNC, "poll"), listed=True)
    except (BadShape, DataError) as error:
        log.warning("The imported number %s is listed but cannot be kept: %s", row.remote_id, error)
        return False
    return True


def next_look(row: PhoneNumber) -> datetime | None:
    """The next due time after now, or None when ten minutes have passed and only staff look again."""
    now = timezone.now()
    began = due = row.imported_at or row.first_seen
    waits = chain((timedelta(seconds=wait) for wait in WAITS), repeat(THEN_EACH))
    while due <= now:
        due += next(waits)
        if due > began + GIVE_UP_AFTER:
            return None
    return due
