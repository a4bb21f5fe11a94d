"""Claims a row for one worker: others leave it alone until the time in one of its columns."""

from datetime import timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone


def take(rows: QuerySet[Any], row: Model, field: str, duration: timedelta) -> bool:
    """Set the field to the time at which the lease ends, unless another worker was faster.

    That is, if the field still has the value with which `row` was read, and the row is among `rows`. A duration of zero
    releases the lease, if it is still held.
    """
    until = timezone.now() + duration
    if not rows.filter(pk=row.pk, **{field: getattr(row, field)}).update(**{field: until}):
        return False
    setattr(row, field, until)
    return True
