"""History: everything that happened, for people to find and nobody to change."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from controlplane.audit.models import Entry
from controlplane.dashboard.history import answered, kept, then, undo, views, whole
from controlplane.dashboard.pages_of import pages_of
from controlplane.readonly import PlainChangeList, ReadOnlyAdmin
from controlplane.templatetags.names import visible

# What people ask for: (value, words, which entries).
OF_OBJECTS = Q(object_type__in=["agent", "number"])
TOLD_APART = Q(kind__startswith="operation.") | Q(kind__startswith="outside.")
SORTS = [
    ("changes", "changes of agents and numbers", OF_OBJECTS & ~TOLD_APART),
    ("operations", "operations and their verdicts", Q(kind__startswith="operation.")),
    ("outside", "decisions on outside changes", Q(kind__startswith="outside.")),
    ("holds", "sync holds", Q(kind__startswith="hold.")),
    ("people", "sign-ins, people and roles", Q(object_type__in=["person", "role"])),
    ("history", "the history itself", Q(object_type="history")),
]


class SortFilter(admin.SimpleListFilter):
    title = "what"
    parameter_name = "what"

    def lookups(self, request, model_admin):
        return [(value, words) for value, words, _ in SORTS]

    def queryset(self, request, queryset):
        return next((queryset.filter(q) for value, _, q in SORTS if value == self.value()), queryset)


class CauseFilter(admin.SimpleListFilter):
    title = "cause"
    parameter_name = "cause"

    def lookups(self, request, model_admin):
        return Entry.Cause.choices

    def queryset(self, request, queryset):
        return queryset.filter(cause=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    what_it_is = (
        "Each change of an agent or a number stands here with who or what made it, each operation with its verdict, "
        "and who signed in. Nobody can change or delete what is written."
    )
    list_display = ["when", "what", "object_cell", "who", "why"]
    list_display_links = None
    list_filter = [SortFilter, CauseFilter, "object_type", ("at", RangeDateTimeFilter)]
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["object_name", "object_id", "actor_name", "reason", "ticket"]
    search_help_text = "Number, agent, id, person, reason or ticket"
    show_full_result_count = False

    change_list_template = "history/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("export/", wrap(self.export), name="audit_entry_export"),
            path("<int:pk>/undo/", wrap(undo.undo), name="audit_entry_undo"),
            path("then/", wrap(then.then), name="audit_entry_then"),
            path("then/export/", wrap(then.export), name="audit_entry_then_export"),
            path("then/<slug:object_type>/<slug:object_id>/", wrap(then.one), name="audit_entry_then_one"),
            path("answered/<slug:number_id>/", wrap(answered.answered), name="audit_entry_answered"),
            path("answered/<slug:number_id>/export/", wrap(answered.export), name="audit_entry_answered_export"),
            path("whole/", wrap(whole.whole), name="audit_entry_whole"),
            path("whole/progress/", wrap(whole.progress), name="audit_entry_whole_progress"),
            path("whole/verify/", wrap(whole.ask), name="audit_entry_verify"),
            path("kept/", wrap(kept.kept), name="audit_entry_kept"),
            *super().get_urls(),
        ]

    def export(self, request):
        """With the filters of the page, which stand in the address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        entries = self.get_changelist_instance(request).get_queryset(request)
        return views.export(request, Entry.objects.filter(pk__in=entries.order_by().values("pk")))

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.entry(request, object_id)

    def get_changelist(self, request, **kwargs):
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return Entry.objects.annotate(**pages_of())

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip().lstrip("…")
        fits = (
            Q(object_name__icontains=term)
            | Q(object_id__icontains=term)
            | Q(actor_name__icontains=term)
            | Q(reason__icontains=term)
            | Q(ticket__icontains=term)
        )
        return (queryset.filter(fits) if term else queryset), False

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"title": "History", **(extra_context or {})})

    @display(description="When", ordering="id")
    def when(self, entry: Entry) -> str:
        return render_to_string("history/when_cell.html", {"entry": entry})

    @display(description="What")
    def what(self, entry: Entry) -> str:
        return render_to_string("history/what_cell.html", {"entry": entry})

    @display(description="Of")
    def object_cell(self, entry: Entry) -> str:
        return render_to_string("history/object_cell.html", {"entry": entry})

    @display(description="Who")
    def who(self, entry: Entry) -> str:
        return visible(entry.actor_name)

    @display(description="Why")
    def why(self, entry: Entry) -> str:
        return visible(" · ".join(filter(None, [entry.reason, entry.ticket]))) or entry.get_cause_display()
