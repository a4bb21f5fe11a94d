"""Queryset filters of history entries, shared by the page and the API. Each is backed by an index; an empty value
filters nothing."""

from datetime import UTC, datetime

from django.db.models import QuerySet
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.history.search import objects_called
from controlplane.lookups import parse_pk
from controlplane.operations.models import Operation

Entries = QuerySet[Entry]
SYSTEM = "system"
TYPES = {
    "number": "numbers",
    "agent": "agents",
    "sync": "syncs",
    "person": "people",
    "role": "roles",
    "history": "the history",
}


def what(entries: Entries, value: str) -> Entries:
    """A full kind ("number.changed"), or the part before its dot."""
    if not value:
        return entries
    return entries.filter(kind=value) if "." in value else entries.filter(topic=value)


def verdict(entries: Entries, value: str) -> Entries:
    return entries.filter(kind=f"operation.{value}") if value else entries


def person(entries: Entries, value: str) -> Entries:
    """The primary key of a user, or "system"."""
    if not value:
        return entries
    if value == SYSTEM:
        return entries.filter(actor=None)
    pk = parse_pk(value)
    return entries.filter(actor=pk) if pk is not None else entries.none()


def cause(entries: Entries, value: str) -> Entries:
    return entries.filter(cause=value) if value else entries


def object_type(entries: Entries, value: str) -> Entries:
    return entries.filter(object_type=value) if value else entries


def one_object(entries: Entries, value: str) -> Entries:
    """By id, by all digits of a number, or by the full name of an agent."""
    if not (name := value.strip()):
        return entries
    return entries.filter(object_type__in=list(TYPES), object_id__in=objects_called(name))


def change_set(entries: Entries, value: str) -> Entries:
    if not (number := value.strip().lstrip("#")):
        return entries
    pk = parse_pk(number)
    if pk is None:
        return entries.none()
    steps = Operation.objects.filter(change_set=pk).order_by().values_list("pk", flat=True)
    entries_of_steps = Entry.objects.filter(cause=Entry.Cause.OPERATION, cause_id__in=[str(step) for step in steps])
    # In two queries: both databases would otherwise read all entries that operations caused, in chronological order.
    return entries.filter(pk__in=list(entries_of_steps.order_by().values_list("pk", flat=True)))


def between(entries: Entries, since: datetime | None, until: datetime | None) -> Entries:
    """`since` inclusive, `until` exclusive. Naive values are UTC."""
    if since is not None:
        entries = entries.filter(at__gte=_in_utc(since))
    if until is not None:
        entries = entries.filter(at__lt=_in_utc(until))
    return entries


def _in_utc(moment: datetime) -> datetime:
    if timezone.is_naive(moment):
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # a few hours before year 1 or after year 9999
        return (datetime.min if moment.year == datetime.min.year else datetime.max).replace(tzinfo=UTC)
