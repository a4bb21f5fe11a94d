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
    """Limits the length of the search; errors are shown above the list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        too_long = (
            f"The search was too long, so everything is shown: search with {MAX_SEARCH_CHARS} characters at most."
        )
        self.fields[SEARCH_VAR] = forms.CharField(
            required=False, strip=False, max_length=MAX_SEARCH_CHARS, error_messages={"max_length": too_long}
        )


class StrictChangeList(ChangeList):
    """Accepts the parameters of its own filters only. Django would accept a lookup on any field of the model, such as a
    regular expression that keeps a database busy for minutes; SQLite's run in Python and cannot be interrupted."""

    search_form_class = SearchForm

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        unknown = found[2]  # parameters that no filter consumed
        if unknown or len(request.GET.get(SEARCH_VAR, "")) > MAX_SEARCH_CHARS:
            raise IncorrectLookupParameters("Unknown filter of this list")
        return found


class PlainChangeList(StrictChangeList):
    """Shows the number of rows, without the total before the page's default filter."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class StrictAdmin(ModelAdmin):
    """Base class of every list of this site. Its change list is a `StrictChangeList`."""

    def get_changelist(self, request, **kwargs):
        return StrictChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Rejects selected rows with an invalid key; Django would raise a server error."""
        if any(parse_pk(pk) is None for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("A selected row has an invalid key.")
        return super().changelist_view(request, extra_context)


class ReadOnlyAdmin(StrictAdmin):
    """Lists and shows objects; changes go through the services."""

    actions: Any = None
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The browser title names the listed objects instead of Django's "Select … to view"."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title} | (extra_context or {}))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
