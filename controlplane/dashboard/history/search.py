"""Full-text search of the history that stays fast with a million entries.

Numbers, agents and people are found first, by what they are called now, and their entries over all of the history by
index. What only the entries know (reasons, former names) is looked for in the newest of them, as far back as the page
says; a file that is taken away holds what fits over all.
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

MAX_SCANNED = 100_000  # entries that are read for words
MAX_OBJECTS = 500  # what fits more of them is told apart by no list of ids
MAX_PEOPLE = 20
MAX_RESULTS = 1_000  # entries that a search finds


@dataclass(frozen=True)
class Found:
    entries: QuerySet[Entry]
    since: datetime | None = None  # words were looked for back to here; None: in all entries
    is_named: bool = True  # it was looked up what is called so; else so much is that it was looked for in entries only
    is_cut: bool = False  # more than these fit


def objects_called(name: str) -> list[str]:
    """Ids of the one object that is meant by an id, by all digits of a number, or by the whole name of an agent."""
    digits = digits_in(name)
    numbers = PhoneNumber.objects.filter(phone_number=f"+{digits}") if digits else PhoneNumber.objects.none()
    agents = Agent.objects.filter(name__iexact=name)[:MAX_OBJECTS]
    ids = {name, *numbers.values_list("remote_id", flat=True), *agents.values_list("remote_id", flat=True)}
    return sorted(ids)


def search(entries: QuerySet[Entry], typed: str) -> Found:
    """The newest of these entries that fit, `MOST` at most."""
    term = typed.strip().lstrip("…")
    if not term:
        return Found(entries)
    entries = entries.order_by("-at", "-pk")
    since = entries.values_list("at", flat=True)[MAX_SCANNED : MAX_SCANNED + 1].first()
    newest = entries.filter(at__gte=since) if since else entries
    about = _is_about(term)
    ways = [newest.filter(_says(term)), *(entries.filter(one) for one in about or [])]
    found: set[tuple[Any, int]] = set()
    for way in ways:
        found.update(way.values_list("at", "pk")[: MAX_RESULTS + 1])
    pks = [pk for _, pk in sorted(found, reverse=True)[:MAX_RESULTS]]
    return Found(entries.filter(pk__in=pks), since, is_named=about is not None, is_cut=len(found) > MAX_RESULTS)


def search_everywhere(entries: QuerySet[Entry], typed: str) -> QuerySet[Entry]:
    """All that fit, by reading all: for a file."""
    term = typed.strip().lstrip("…")
    if not term:
        return entries
    fits = _says(term)
    for way in _is_about(term) or []:
        fits |= way
    return entries.filter(fits)


def _says(term: str) -> Q:
    return (
        Q(object_name__icontains=term)
        | Q(object_id__icontains=term)
        | Q(actor_name__icontains=term)
        | Q(reason__icontains=term)
        | Q(ticket__icontains=term)
    )


def _is_about(term: str) -> list[Q] | None:
    """Which objects and people a term may mean, as conditions that an index answers, each by itself. None where it
    may mean too many."""
    digits = digits_in(term)
    number = Q(phone_number__contains=digits) if digits else Q(phone_number__icontains=term)
    numbers = _keys(PhoneNumber.objects.filter(number | Q(label__icontains=term) | Q(remote_id__icontains=term)))
    agents = _keys(Agent.objects.filter(Q(name__icontains=term) | Q(remote_id__icontains=term)))
    people = _keys(User.objects.filter(username__icontains=term), "pk")
    if len(numbers) > MAX_OBJECTS or len(agents) > MAX_OBJECTS or len(people) > MAX_PEOPLE:
        return None
    ways = [Q(object_type__in=["number", "agent"], object_id__in=[term, *numbers, *agents])]
    if people:
        # Of one type only, SQLite would read all of that type in the order of time.
        keys = {"object_type__in": ["person", "-"], "object_id__in": [str(pk) for pk in people]}
        ways += [Q(actor__in=people), Q(**keys)]
    return ways


def _keys(rows: QuerySet[Any], name: str = "remote_id") -> list[Any]:
    return list(rows.order_by().values_list(name, flat=True)[: MAX_OBJECTS + 1])
