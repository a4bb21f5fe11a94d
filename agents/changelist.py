"""Filters, ordering and layout of the list of agents."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents import filters
from agents.models import Agent
from agents.options import language_name
from controlplane.readonly_admin import StrictChangeList
from controlplane.templatetags.names import visible

LAYOUT_PARAMETER = "look"
LAYOUTS = ("cards", "list")
# Django's `o` parameter: indexes of columns in `AgentAdmin.list_display`.
ORDERS = [
    ("0", "Name"),
    ("-5", "Last call, newest first"),
    ("-4", "Numbers, most first"),
]


class AgentChangeList(StrictChangeList):
    """Keeps the layout parameter in every link of the page; it does not filter."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        look = request.GET.get(LAYOUT_PARAMETER)
        self.look = look if look in LAYOUTS else LAYOUTS[0]
        super().__init__(request, *args, **kwargs)
        self.orders = ORDERS
        self.order = str(self.params.get("o", ""))
        self.narrowed = bool(self.query) or any(spec.value() for spec in self.filter_specs)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count  # saves the query; the header then leaves the total out

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        filter_params: dict[str, Any] = super().get_filters_params(params)
        filter_params.pop(LAYOUT_PARAMETER, None)
        return filter_params

    def look_links(self) -> list[tuple[str, str, bool]]:
        """(label, URL, is current) of each layout."""
        return [
            (look.capitalize(), self.get_query_string({LAYOUT_PARAMETER: look}), look == self.look) for look in LAYOUTS
        ]


class ChoiceFilter(admin.SimpleListFilter):
    """A filter rendered as a select. `nothing` is the label of the option that does not filter."""

    nothing = "All"

    def options(self) -> list[tuple[str, str, bool]]:
        chosen = self.value() or ""
        known = [("", self.nothing), *((str(value), str(label)) for value, label in self.lookup_choices)]
        if chosen and chosen not in {value for value, _ in known}:
            known.append((chosen, chosen))
        return [(value, visible(label), value == chosen) for value, label in known]

    def has_output(self) -> bool:
        return True


class StateFilter(ChoiceFilter):
    title = "State"
    parameter_name = "state"
    nothing = "Active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("archived", "Archived"), ("gone", "Gone"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return filters.in_state(queryset, self.value() or "")


class _Column(ChoiceFilter):
    """Offers the values that agents have in a column. `column` is its index in the rows of `_known`."""

    parameter_name: str
    column: int

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        values = {str(row[self.column]) for row in _known(request) if row[self.column]}
        return sorted(((value, self.words(value)) for value in values), key=lambda choice: choice[1].casefold())

    def words(self, value: str) -> str:
        return value

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return filters.with_value(queryset, self.parameter_name, self.value() or "")


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


class TagFilter(ChoiceFilter):
    title = "Tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tags = {str(tag) for row in _known(request) for tag in row[2]}
        return [(tag, tag) for tag in sorted(tags, key=str.casefold)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return filters.with_tag(queryset, self.value() or "")


class NumbersFilter(ChoiceFilter):
    title = "Numbers"
    parameter_name = "numbers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("some", "Has numbers"), ("none", "No numbers")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return filters.with_numbers(queryset, self.value() or "")


class ExternalChangeFilter(ChoiceFilter):
    """Agents with an external change that is still open."""

    title = "Changes"
    parameter_name = "outside"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Changed outside this app")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        return filters.changed_outside(queryset, self.value() or "")


def _known(request: HttpRequest) -> list[tuple[str, str, list[Any]]]:
    """(language, LLM, tags) of every agent, read once for all filters of a page."""
    known: list[tuple[str, str, list[Any]]] | None = request.__dict__.get("known_agents")
    if known is None:
        known = list(Agent.objects.order_by().values_list("language", "llm", "tags"))
        request.__dict__["known_agents"] = known
    return known
