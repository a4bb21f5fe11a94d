"""Base classes of read-only admin pages, and of lists that accept only their own filters."""

from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeListSearchForm
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from controlplane.lookups import MAX_SEARCH_CHARS, parse_pk


class SearchForm(ChangeListSearchForm):
    """Its errors are shown above the list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        too_long = (
            f"The search was too long, so everything is shown: search with {MAX_SEARCH_CHARS} characters at most."
        )
        self.fields[SEARCH_VAR] = forms.CharField(
            required=False, strip=False, max_length=MAX_SEARCH_CHARS, error_messages={"max_length": too_long}
        )


class StrictChangeList(ChangeList):
    """Takes the parameters of its own filters and no other: Django would take a lookup on any field of the model, such
    as a regular expression that a database works on for minutes. SQLite's are Python's, which nothing interrupts."""

    search_form_class = SearchForm

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        foreign = found[2]  # what none of the filters has taken
        if foreign or len(request.GET.get(SEARCH_VAR, "")) > MAX_SEARCH_CHARS:
            raise IncorrectLookupParameters("Unknown filter of this list")
        return found


class PlainChangeList(StrictChangeList):
    """Says how many rows there are, and not how many there would be without what the page leaves out by itself."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class StrictAdmin(ModelAdmin):
    """For every list of this site. Its change list is a `StrictChangeList`."""

    def get_changelist(self, request, **kwargs):
        return StrictChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The rows that an action is for are named by their keys; Django fails on what is none."""
        if any(parse_pk(pk) is None for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("A selected row has an invalid key.")
        return super().changelist_view(request, extra_context)


class ReadOnlyAdmin(StrictAdmin):
    """Lists and shows; every change goes through services of its own."""

    actions: Any = None
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The tab of the browser names what is listed: Django's "Select … to view" asks for something."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title} | (extra_context or {}))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
