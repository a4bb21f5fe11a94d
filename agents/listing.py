"""How agents are found: search, filters, and the order of a list."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from unfold.views import ChangeList

from agents.models import Agent
from agents.options import language_name
from controlplane.mirror import outside
from controlplane.templatetags.names import visible

LOOK = "look"
LOOKS = ("cards", "list")
# Numbered as Django numbers the columns of `AgentAdmin.list_display`.
ORDERS = [
    ("0", "Name"),
    ("-5", "Last call, newest first"),
    ("-4", "Numbers, most first"),
]


class AgentChangeList(ChangeList):  # type: ignore[misc]  # django-unfold has no types
    """Knows the look: it stays in every link of the page and filters nothing."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        wanted = request.GET.get(LOOK)
        self.look = wanted if wanted in LOOKS else LOOKS[0]
        super().__init__(request, *args, **kwargs)
        self.orders = ORDERS
        self.order = str(self.params.get("o", ""))
        self.narrowed = bool(self.query) or any(spec.value() for spec in self.filter_specs)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # not counted: the header then leaves it out

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(LOOK, None)
        return found

    def look_links(self) -> list[tuple[str, str, bool]]:
        """(words, address, is it the present one)."""
        return [(look.capitalize(), self.get_query_string({LOOK: look}), look == self.look) for look in LOOKS]


class Choice(admin.SimpleListFilter):
    """A filter drawn as a select; `nothing` is what it says while it is not used."""

    nothing = "All"

    def options(self) -> list[tuple[str, str, bool]]:
        chosen = self.value() or ""
        known = [("", self.nothing), *((str(value), str(words)) for value, words in self.lookup_choices)]
        if chosen and chosen not in {value for value, _ in known}:
            known.append((chosen, chosen))
        return [(value, visible(words), value == chosen) for value, words in known]

    def has_output(self) -> bool:
        return True


class StateFilter(Choice):
    title = "State"
    parameter_name = "state"
    nothing = "Active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("archived", "Archived"), ("gone", "Gone"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        match self.value():
            case "all":
                return queryset
            case "gone":
                return queryset.filter(gone_at__isnull=False)
            case "archived":
                return queryset.filter(gone_at=None, archived=True)
            case _:
                return queryset.filter(gone_at=None, archived=False)


class _Column(Choice):
    """One of the values that agents have in a column."""

    parameter_name: str
    column: int

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        values = {str(row[self.column]) for row in _known(request) if row[self.column]}
        return sorted(((value, self.words(value)) for value in values), key=lambda choice: choice[1].casefold())

    def words(self, value: str) -> str:
        return value

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class LanguageFilter(_Column):
    title = "Language"
    parameter_name = "language"
    column = 0

    def words(self, value: str) -> str:
        return language_name(value)


class LlmFilter(_Column):
    title = "LLM"
    parameter_name = "llm"
    column = 1


class TagFilter(Choice):
    title = "Tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tags = {str(tag) for row in _known(request) for tag in row[2]}
        return [(tag, tag) for tag in sorted(tags, key=str.casefold)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        if not self.value():
            return queryset
        return with_tag_text(queryset).filter(
            _in_tags(json.dumps(self.value())) | _in_tags(json.dumps(self.value(), ensure_ascii=False))
        )


class NumbersFilter(Choice):
    title = "Numbers"
    parameter_name = "numbers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("some", "Has numbers"), ("none", "No numbers")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        # The relation is followed backwards: this package does not import that of numbers.
        here = Agent.objects.filter(pk=OuterRef("pk"), numbers__isnull=False, numbers__gone_at=None)
        match self.value():
            case "some":
                return queryset.filter(Exists(here))
            case "none":
                return queryset.filter(~Exists(here))
            case _:
                return queryset


class OutsideFilter(Choice):
    """Agents with an outside change that nobody has decided yet."""

    title = "Changes"
    parameter_name = "outside"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Changed outside this app")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return queryset.filter(outside.changed_outside("agent")) if self.value() else queryset


def _known(request: HttpRequest) -> list[tuple[str, str, list[Any]]]:
    """(language, LLM, tags) of every agent, read once for all filters of a page."""
    known: list[tuple[str, str, list[Any]]] | None = request.__dict__.get("known_agents")
    if known is None:
        known = list(Agent.objects.order_by().values_list("language", "llm", "tags"))
        request.__dict__["known_agents"] = known
    return known


def matching(queryset: QuerySet[Agent], search: str) -> QuerySet[Agent]:
    """Every word stands in the name, the id or a tag. An id's end may be typed as pages show it: …4f2a."""
    found = with_tag_text(queryset)
    for word in search.split():
        plain = word.lstrip("…") or word
        tag = _in_tags(plain) | _in_tags(json.dumps(plain)[1:-1])
        found = found.filter(Q(name__icontains=plain) | Q(remote_id__icontains=plain) | tag)
    return found


def with_tag_text(queryset: QuerySet[Agent]) -> QuerySet[Agent]:
    """SQLite cannot look into JSON lists; as text it finds a tag, escaped (as Django writes it there) or not."""
    return queryset.alias(tag_text=Cast("tags", TextField()))


def _in_tags(text: str) -> Q:
    return Q(tag_text__icontains=text)
