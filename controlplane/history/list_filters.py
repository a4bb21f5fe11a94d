"""Filters shown beside the history's list. Each is a URL parameter and backed by an index."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter, TextFilter
from unfold.utils import parse_datetime_str

from controlplane.audit.models import Entry
from controlplane.history import filters
from controlplane.history.filters import SYSTEM, TYPES
from controlplane.templatetags.names import visible

OF_OBJECTS = [("added", "first seen"), ("changed", "changed"), ("gone", "gone"), ("back", "there again")]
# A topic is the part of a kind before the dot: {topic: (label, [(part after the dot, label)])}
TOPICS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "number": ("changes of numbers", OF_OBJECTS),
    "agent": ("changes of agents", OF_OBJECTS),
    "operation": ("operations and their verdicts", []),  # verdicts have a separate filter
    "outside": (
        "decisions on external changes",
        [("adopted", "accepted"), ("ignored", "dismissed"), ("reverted", "reverted"), ("reopened", "open again")],
    ),
    "hold": ("sync holds", [("opened", "opened"), ("accepted", "accepted"), ("over", "over")]),
    "person": (
        "sign-ins and people",
        [
            *(("signed_in", "signed in"), ("failed", "failed to sign in"), ("signed_out", "signed out")),
            *(("locked", "locked"), ("refused", "refused while locked")),
            *(("added", "person added"), ("changed", "rights changed"), ("deleted", "person deleted")),
        ],
    ),
    "token": ("API tokens", [("issued", "created"), ("revoked", "revoked")]),
    "role": ("roles", [("changed", "role changed"), ("deleted", "role deleted")]),
    "history": ("the history itself", [("exported", "exported"), ("pruned", "pruned")]),
}
VERDICTS = {
    "sent": "sent",
    "done": "done",
    "refused": "refused",
    "not_sent": "not sent",
    "not_applied": "not applied",
    "overtaken": "overtaken",
    "late": "took effect late",
}
WHOLE_DAY = {"from": "00:00:00", "to": "23:59:59"}


class Choice(DropdownFilter):  # type: ignore[misc]  # django-unfold has no types
    """`words`: the chosen value's label."""

    def words(self) -> str:
        flat: dict[str, str] = {}
        for value, words in self.lookup_choices:
            flat |= dict(words) if isinstance(words, list) else {value: words}
        return flat.get(self.value() or "", self.value() or "")


class EventFilter(Choice):
    title = "kind"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            (words, [(topic, f"{words}: all"), *((f"{topic}.{verb}", f"{words}: {name}") for verb, name in verbs)])
            for topic, (words, verbs) in TOPICS.items()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.what(queryset, self.value() or "")


class VerdictFilter(Choice):
    title = "verdict"
    parameter_name = "verdict"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return list(VERDICTS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.verdict(queryset, self.value() or "")


class PersonFilter(Choice):
    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        people = User.objects.order_by("username").values_list("pk", "username")
        return [(SYSTEM, "system"), *((str(pk), visible(name)) for pk, name in people)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.person(queryset, self.value() or "")


class CauseFilter(Choice):
    title = "cause"
    parameter_name = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Entry.Cause.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.cause(queryset, self.value() or "")


class TypeFilter(Choice):
    title = "object type"
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return list(TYPES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.object_type(queryset, self.value() or "")


class Typed(TextFilter):  # type: ignore[misc]
    def words(self) -> str:
        return visible(self.value() or "")


class ObjectFilter(Typed):
    title = "number, agent or id"
    parameter_name = "object"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.one_object(queryset, self.value() or "")


class ChangeSetFilter(Typed):
    title = "change set (its number)"
    parameter_name = "change_set"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return filters.change_set(queryset, self.value() or "")


class TimeFilter(RangeDateTimeFilter):  # type: ignore[misc]
    """From and to, both inclusive. A date without a time means the whole day."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.title = "time"
        for end, default in WHOLE_DAY.items():
            if self._typed(end, 0) and not self._typed(end, 1):
                self.used_parameters[f"{self.parameter_name}_{end}_1"] = default

    def words(self) -> str:
        ends = [(end, self._moment(end)) for end in WHOLE_DAY]
        return ", ".join(f"{end} {timezone.localtime(at):%Y-%m-%d %H:%M:%S}" for end, at in ends if at)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        if first := self._moment("from"):
            queryset = queryset.filter(at__gte=first)
        if last := self._moment("to"):
            queryset = queryset.filter(at__lt=last + timedelta(seconds=1))
        return queryset

    def _typed(self, end: str, part: int) -> str:
        return str(self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") or "")

    def _moment(self, end: str) -> datetime | None:
        if not (day := self._typed(end, 0)):
            return None
        moment = parse_datetime_str(typed := f"{day} {self._typed(end, 1)}")
        if moment is None:
            raise IncorrectLookupParameters(f"{typed} is not a valid date and time")
        return timezone.make_aware(moment)


FILTERS: list[type[admin.ListFilter] | tuple[str, type[admin.FieldListFilter]]] = [
    *(EventFilter, VerdictFilter, PersonFilter, TypeFilter, ObjectFilter, CauseFilter, ChangeSetFilter),
    ("at", TimeFilter),
]
