"""Full-text search of the history that stays fast with a million entries.

Numbers, agents and users are found first, by their current names, and all of their entries by index. What only the
entries contain (reasons, former names) is searched in the newest entries, as far back as the page shows; an export
contains all matches.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from agents.models import Agent
from controlplane.audit.models import Entry
from numbers.models import PhoneNumber
from numbers.search import digits_in

MAX_SCANNED = 100_000  # entries scanned for a term
MAX_OBJECTS = 500  # a term that matches more objects is not looked up by id
MAX_PEOPLE = 20
MAX_RESULTS = 1_000  # maximum results of a search


@dataclass(frozen=True)
class Found:
    entries: QuerySet[Entry]
    since: datetime | None = None  # text was searched back to here; None: in all entries
    is_named: bool = True  # objects with that name were looked up; otherwise too many matched
    is_cut: bool = False  # there are more matches


def objects_called(name: str) -> list[str]:
    """Ids of the objects meant by `name`: an id, all digits of a number, or the full name of an agent."""
    digits = digits_in(name)
    numbers = PhoneNumber.objects.filter(phone_number=f"+{digits}") if digits else PhoneNumber.objects.none()
    agents = Agent.objects.filter(name__iexact=name)[:MAX_OBJECTS]
    ids = {name, *numbers.values_list("remote_id", flat=True), *agents.values_list("remote_id", flat=True)}
    return sorted(ids)


def search(entries: QuerySet[Entry], typed: str) -> Found:
    """The newest matching entries, at most `MAX_RESULTS`."""
    term = typed.strip().lstrip("…")
    if not term:
        return Found(entries)
    entries = entries.order_by("-at", "-pk")
    since = entries.values_list("at", flat=True)[MAX_SCANNED : MAX_SCANNED + 1].first()
    newest = entries.filter(at__gte=since) if since else entries
    conditions = _conditions_by_object(term)
    querysets = [newest.filter(_contains(term)), *(entries.filter(one) for one in conditions or [])]
    found: set[tuple[Any, int]] = set()
    for queryset in querysets:
        found.update(queryset.values_list("at", "pk")[: MAX_RESULTS + 1])
    pks = [pk for _, pk in sorted(found, reverse=True)[:MAX_RESULTS]]
    return Found(entries.filter(pk__in=pks), since, is_named=conditions is not None, is_cut=len(found) > MAX_RESULTS)


def search_everywhere(entries: QuerySet[Entry], typed: str) -> QuerySet[Entry]:
    """All matching entries, by scanning all of them: for an export."""
    term = typed.strip().lstrip("…")
    if not term:
        return entries
    condition = _contains(term)
    for other in _conditions_by_object(term) or []:
        condition |= other
    return entries.filter(condition)


def _contains(term: str) -> Q:
    return (
        Q(object_name__icontains=term)
        | Q(object_id__icontains=term)
        | Q(actor_name__icontains=term)
        | Q(reason__icontains=term)
        | Q(ticket__icontains=term)
    )


def _conditions_by_object(term: str) -> list[Q] | None:
    """Conditions for the objects and users that a term may mean, each of which an index can answer alone. None if it
    matches too many."""
    digits = digits_in(term)
    number = Q(phone_number__contains=digits) if digits else Q(phone_number__icontains=term)
    numbers = _keys(PhoneNumber.objects.filter(number | Q(label__icontains=term) | Q(remote_id__icontains=term)))
    agents = _keys(Agent.objects.filter(Q(name__icontains=term) | Q(remote_id__icontains=term)))
    people = _keys(User.objects.filter(username__icontains=term), "pk")
    if len(numbers) > MAX_OBJECTS or len(agents) > MAX_OBJECTS or len(people) > MAX_PEOPLE:
        return None
    conditions = [Q(object_type__in=["number", "agent"], object_id__in=[term, *numbers, *agents])]
    if people:
        # With a single type, SQLite would read all entries of that type in chronological order.
        keys = {"object_type__in": ["person", "-"], "object_id__in": [str(pk) for pk in people]}
        conditions += [Q(actor__in=people), Q(**keys)]
    return conditions


def _keys(rows: QuerySet[Any], name: str = "remote_id") -> list[Any]:
    return list(rows.order_by().values_list(name, flat=True)[: MAX_OBJECTS + 1])
