"""The history's changelist: a bounded count, and a summary of the active filters."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

from controlplane.audit.models import Entry
from controlplane.history.search import Found, search
from controlplane.readonly_admin import StrictChangeList
from numbers.object_links import annotate_links

MAX_COUNTED = 10_000  # maximum number of entries to count


@dataclass(frozen=True)
class ActiveFilter:
    """One active filter, and the URL of the list without it."""

    title: str
    words: str
    without: str


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Paginator is not generic at runtime
    """Counts up to a limit: counting a million entries takes longer than finding the page."""

    template_name = "history/pagination.html"

    object_list: QuerySet[Entry]

    @cached_property
    def count(self) -> int:
        return min(self._counted, MAX_COUNTED)

    @cached_property
    def _counted(self) -> int:
        return int(self.object_list.order_by()[: MAX_COUNTED + 1].count())

    @property
    def has_more(self) -> bool:
        return self._counted > MAX_COUNTED


class Timeline(StrictChangeList):
    found: Found | None = None
    result_list: list[Entry]

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Entry]:
        entries = self.narrowed(request, exclude_parameters)
        self.found = search(entries, self.query)
        return self.found.entries

    def narrowed(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Entry]:
        """With the filters but without the search."""
        entries: QuerySet[Entry] = super().get_queryset(request, exclude_parameters)
        return entries

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        self.result_list = list(self.result_list)
        annotate_links(self.result_list)

    @property
    def chosen(self) -> list[ActiveFilter]:
        typed = [ActiveFilter("search", self.query, self.get_query_string(remove=["q", "p"]))] if self.query else []
        return typed + [
            ActiveFilter(spec.title, words, self.get_query_string(remove=[*spec.expected_parameters(), "p"]))
            for spec in self.filter_specs
            if (words := spec.words())
        ]

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Always by time: the only order that every index has."""
        return ["-at", "-pk"]

    @property
    def searched_back_to(self) -> datetime | None:
        return self.found.since if self.found else None

    @property
    def further_back(self) -> str:
        """The URL of the same list up to the moment where the text search ended."""
        since = timezone.localtime(self.searched_back_to)
        until = {"at_to_0": f"{since:%Y-%m-%d}", "at_to_1": f"{since:%H:%M:%S}"}
        return str(self.get_query_string(until, ["p"]))
