"""The list of numbers and its filters. Changes are made in `views`; no ModelForm edits a number."""

from django.contrib import admin
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path
from unfold.decorators import display

from controlplane.mirror.models import SyncRun
from controlplane.operations import external_changes
from controlplane.readonly_admin import PlainChangeList, ReadOnlyAdmin
from controlplane.templatetags.names import visible
from controlplane.templatetags.when import ago
from numbers import action_pages, agent_picker, delete_agent, filters, import_polling, orphan_views, views
from numbers.models import PhoneNumber, State
from numbers.row_permissions import annotate_permissions
from numbers.search import matching


class StateFilter(admin.SimpleListFilter):
    """Deleted numbers are shown only if they are selected."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [("all", "All, with gone ones"), *((state.value, state.label) for state in State)]

    def choices(self, changelist):
        first, *rest = super().choices(changelist)
        return [{**first, "display": "All but gone ones"}, *rest]

    def queryset(self, request, queryset):
        return filters.in_state(queryset, self.value() or "")


class AgentFilter(admin.SimpleListFilter):
    """Numbers of one agent. Set by links (`?agent=<id>`), because a choice could have thousands of options."""

    title = "agent"
    parameter_name = "agent"

    def lookups(self, request, model_admin):
        agent_id = self.used_parameters.get(self.parameter_name) or request.GET.get(self.parameter_name)
        return [(agent_id, f"agent …{agent_id[-4:]}")] if agent_id else []

    def queryset(self, request, queryset):
        return filters.of_agent(queryset, self.value() or "")


class ProviderFilter(admin.SimpleListFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, request, model_admin):
        providers = PhoneNumber.objects.order_by("provider").values_list("provider", flat=True).distinct()
        return [(provider, provider) for provider in providers if provider]

    def queryset(self, request, queryset):
        return filters.of_provider(queryset, self.value() or "")


class OutsideFilter(admin.SimpleListFilter):
    """Numbers with an external change that is still open."""

    title = "changed outside"
    parameter_name = "outside"

    def lookups(self, request, model_admin):
        return [("open", "Changed outside this app")]

    def queryset(self, request, queryset):
        return filters.changed_outside(queryset, self.value() or "")


def _links(changelist: PlainChangeList) -> dict[str, object]:
    """Context for the links above the list: one for each state, and one that removes each other filter."""
    current, with_changes = changelist.params.get("state", ""), changelist.params.get("outside", "")
    states = [("", "All"), *((state.value, state.label) for state in State)]
    remove = ["state", "p"]
    return {
        "of_orphans": current == State.ORPHANED,
        "usual_times": import_polling.typical_times(),
        "state_links": [
            (value, label, value == current, changelist.get_query_string({"state": value} if value else {}, remove))
            for value, label in states
        ],
        # Includes deleted numbers, because a deletion is an external change too.
        "outside_link": changelist.get_query_string(
            {} if with_changes else {"outside": "open", "state": "all"}, ["outside", "state", "p"]
        ),
        "outside_chosen": bool(with_changes),
        "narrowed_by": [
            (f"{name}: {changelist.params[name][-8:]}", changelist.get_query_string({}, [name, "p"]))
            for name in ("agent", "provider")
            if changelist.params.get(name)
        ],
    }


@admin.register(PhoneNumber)
class PhoneNumberAdmin(ReadOnlyAdmin):
    list_display = ["number", "label_cell", "agent_cell", "state_cell", "provider", "seen", "row_actions"]
    list_display_links = None
    list_filter = [StateFilter, OutsideFilter, ProviderFilter, AgentFilter]
    search_fields = ["phone_number", "label", "remote_id"]
    search_help_text = "Digits, label, agent or id"
    list_fullwidth = True
    show_add_link = False  # the template has an Import button instead
    show_full_result_count = False
    change_list_template = "numbers/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        routes = [
            ("agent-options/", agent_picker.options, "agent_options"),
            ("orphans/", orphan_views.orphans_page, "orphans"),
            *((f"<int:pk>/{page.slug}/", page.view(), page.slug) for page in action_pages.pages()),
            ("<int:pk>/cells/", views.cells, "cells"),
            ("<int:pk>/check/", views.check, "check"),
        ]
        return [
            path("delete-agent/<int:pk>/", wrap(delete_agent.delete_agent), name="numbers_retire_agent"),
            *(path(route, wrap(view), name=f"numbers_phonenumber_{name}") for route, view, name in routes),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("numbers.add_phonenumber")

    def add_view(self, request, form_url="", extra_context=None):
        return views.import_number(request)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.number_page(request, object_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PhoneNumber]:
        newest = SyncRun.objects.filter(state=SyncRun.State.COMPLETE).order_by("-id").values("started_at")[:1]
        numbers = PhoneNumber.objects.with_state().select_related("agent").defer("remote_data", "agent__remote_data")
        seen = Coalesce("gone_at", "missing_since", Subquery(newest))
        return annotate_permissions(numbers, request.user).annotate(seen_at=seen)

    def get_changelist(self, request, **kwargs):
        return PlainChangeList

    def get_search_results(self, request, queryset, search_term):
        return (matching(queryset, search_term) if search_term.strip() else queryset), False

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        if changelist := (getattr(response, "context_data", None) or {}).get("cl"):
            response.context_data |= _links(changelist)
            nothing_yet = not changelist.result_count and not PhoneNumber.objects.exists()
            response.context_data["nothing_yet"] = nothing_yet
            external_changes.annotate_open(changelist.result_list, request.user)
        return response

    @display(description="Number", ordering="phone_number")
    def number(self, number: PhoneNumber) -> str:
        return self._cell("number_cell", number)

    @display(description="Label", ordering="label")
    def label_cell(self, number: PhoneNumber) -> str:
        return visible(number.label)

    @display(description="Agent", ordering="agent__name")
    def agent_cell(self, number: PhoneNumber) -> str:
        return self._cell("agent_cell", number)

    @display(description="State", ordering="state_now")
    def state_cell(self, number: PhoneNumber) -> str:
        return self._cell("state_cell", number)

    @display(description="Last seen", ordering="seen_at")
    def seen(self, number: PhoneNumber) -> str:
        seen = number.__dict__["seen_at"]
        if seen and number.missing_since is None and number.gone_at is None:
            seen = max(seen, number.first_seen)  # it may have been imported after the newest run
        return ago(seen)

    @display(description="")
    def row_actions(self, number: PhoneNumber) -> str:
        return self._cell("row_actions", number)

    def _cell(self, name: str, number: PhoneNumber) -> str:
        return render_to_string(f"numbers/{name}.html", {"number": number})
