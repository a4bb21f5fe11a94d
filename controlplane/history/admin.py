"""The history's list page."""

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied
from django.template.loader import render_to_string
from django.urls import path
from unfold.decorators import display

from controlplane.audit.models import Entry
from controlplane.history import assignment_history, integrity, retention, state_at, undo, views
from controlplane.history.list_filters import FILTERS
from controlplane.history.search import search_everywhere
from controlplane.history.timeline import BoundedPaginator, Timeline
from controlplane.readonly_admin import ReadOnlyAdmin
from controlplane.templatetags.names import visible


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    what_it_is = (
        "Every change of an agent or a number with its author, every operation with its verdict, and every sign-in. "
        "Entries cannot be changed or deleted."
    )
    list_display = ["when", "what", "object_cell", "who", "why"]
    list_display_links = None
    list_filter = FILTERS
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["object_name", "object_id", "actor_name", "reason", "ticket"]
    search_help_text = "Number, agent, id, person, reason or ticket"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # would count each choice over a million entries
    paginator = BoundedPaginator
    sortable_by = ()
    change_list_template = "history/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export), name="audit_entry_export"),
            path("<int:pk>/undo/", wrap(undo.undo), name="audit_entry_undo"),
            path("then/", wrap(state_at.state_at), name="audit_entry_then"),
            path("then/export/", wrap(state_at.export), name="audit_entry_then_export"),
            path(
                "then/<slug:object_type>/<slug:object_id>/", wrap(state_at.object_state_at), name="audit_entry_then_one"
            ),
            path(
                "answered/<slug:number_id>/", wrap(assignment_history.assignment_history), name="audit_entry_answered"
            ),
            path(
                "answered/<slug:number_id>/export/", wrap(assignment_history.export), name="audit_entry_answered_export"
            ),
            path("whole/", wrap(integrity.integrity), name="audit_entry_whole"),
            path("whole/progress/", wrap(integrity.progress), name="audit_entry_whole_progress"),
            path("whole/verify/", wrap(integrity.request_check), name="audit_entry_verify"),
            path("kept/", wrap(retention.retention), name="audit_entry_kept"),
            *super().get_urls(),
        ]

    def export(self, request):
        """With the filters of the page, which are in the URL."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            timeline = self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise BadRequest("The history has no such filters.") from error
        return views.export(request, search_everywhere(timeline.narrowed(request), timeline.query))

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.entry(request, object_id)

    def get_changelist(self, request, **kwargs):
        return Timeline

    def get_search_results(self, request, queryset, search_term):
        return queryset, False  # `Timeline` does it

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"title": "History", **(extra_context or {})})

    @display(description="When")
    def when(self, entry: Entry) -> str:
        return render_to_string("history/when_cell.html", {"entry": entry})

    @display(description="Event")
    def what(self, entry: Entry) -> str:
        return render_to_string("history/what_cell.html", {"entry": entry})

    @display(description="Object")
    def object_cell(self, entry: Entry) -> str:
        return render_to_string("history/object_cell.html", {"entry": entry})

    @display(description="Who")
    def who(self, entry: Entry) -> str:
        return visible(entry.actor_name)

    @display(description="Cause")
    def why(self, entry: Entry) -> str:
        return visible(" · ".join(filter(None, [entry.reason, entry.ticket]))) or entry.get_cause_display()
