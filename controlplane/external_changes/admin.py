"""The list of external changes, with filters and bulk decisions."""

from django.contrib import admin, messages
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Replace
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path
from unfold.decorators import display

from controlplane.audit.forms import JustificationForm
from controlplane.audit.justification import NO_JUSTIFICATION
from controlplane.audit.ledger import actor_label
from controlplane.external_changes import views
from controlplane.lookups import parse_pk
from controlplane.mirror.models import OutsideChange
from controlplane.operations import external_changes
from controlplane.pages import current_staff
from controlplane.readonly_admin import PlainChangeList, ReadOnlyAdmin
from controlplane.templatetags.names import visible
from numbers.object_links import object_links
from numbers.search import digits_in

State = OutsideChange.State
LABELS = {"open": "warning", "adopted": "success", "reverted": "info", "ignored": "default"}


class StateFilter(admin.SimpleListFilter):
    """Open changes by default."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [*((state.value, state.label) for state in State if state != State.OPEN), ("all", "all")]

    def choices(self, changelist):
        first, *rest = super().choices(changelist)
        return [{**first, "display": State.OPEN.label}, *rest]

    def queryset(self, request, queryset):
        return queryset if self.value() == "all" else queryset.filter(state=self.value() or State.OPEN)


class ObjectFilter(admin.SimpleListFilter):
    title = "object type"
    parameter_name = "of"

    def lookups(self, request, model_admin):
        return [("number", "numbers"), ("agent", "agents")]

    def queryset(self, request, queryset):
        return queryset.filter(object_type=self.value()) if self.value() else queryset


@admin.register(OutsideChange)
class OutsideChangeAdmin(ReadOnlyAdmin):
    what_it_is = (
        "Changes that a sync found and no operation of this app explains: they were made in the ElevenLabs console or "
        "by another tool. Each stays open until it is accepted, reverted or dismissed."
    )
    list_display = ["what", "object_cell", "between", "state_cell", "who"]
    list_display_links = None
    list_filter = [StateFilter, ObjectFilter]
    list_fullwidth = True
    search_fields = ["entry__object_name", "object_id"]
    search_help_text = "Number, agent or id"
    show_full_result_count = False
    actions = ["adopt", "ignore"]
    change_list_template = "outside/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        own = [("adopt", views.adopt), ("ignore", views.ignore), ("revert", views.revert)]
        return [
            *(path(f"<int:pk>/{name}/", wrap(view), name=f"mirror_outsidechange_{name}") for name, view in own),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.change(request, object_id)

    def get_changelist(self, request, **kwargs):
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutsideChange]:
        return OutsideChange.objects.select_related("entry").annotate(**object_links())

    def get_search_results(self, request, queryset, search_term):
        """By name, by id (…4f2a too), or by digits in any grouping."""
        term = search_term.strip().lstrip("…")
        condition = Q(entry__object_name__icontains=term) | Q(object_id__icontains=term)
        if digits := digits_in(term):
            queryset = queryset.alias(ungrouped=Replace("entry__object_name", Value(" "), output_field=TextField()))
            condition |= Q(ungrouped__contains=digits)
        return (queryset.filter(condition) if term else queryset), False

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, {"title": "External changes", **(extra_context or {})})
        if changelist := (getattr(response, "context_data", None) or {}).get("cl"):
            now = changelist.params.get("state", "")
            states = [("", State.OPEN.label), *((state.value, state.label) for state in State if state != State.OPEN)]
            response.context_data["state_links"] = [
                (
                    words.capitalize(),
                    value == now,
                    changelist.get_query_string({"state": value} if value else {}, ["state", "p"]),
                )
                for value, words in [*states, ("all", "all")]
            ]
        return response

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mirror.decide_outsidechange")

    @admin.action(description="Accept: keep them as they are now", permissions=["decide"])
    def adopt(self, request, queryset):
        return self._decide(request, queryset, State.ADOPTED)

    @admin.action(description="Dismiss: take them off the list", permissions=["decide"])
    def ignore(self, request, queryset):
        return self._decide(request, queryset, State.IGNORED)

    def _decide(self, request, queryset, state):
        form = JustificationForm(request.POST if "reason" in request.POST else None)
        if (
            newest := parse_pk(request.POST.get("newest", ""))
        ) is not None:  # only those counted by the page that asked for the reason
            queryset = queryset.filter(pk__lte=newest)
        pks = list(queryset.order_by("pk").values_list("pk", flat=True))
        if pks and form.reason_is_required and not (form.is_bound and form.is_valid()):
            return views.ask_reason(request, form, pks)
        justification = form.justification if form.is_bound and form.is_valid() else NO_JUSTIFICATION
        decided = external_changes.decide(
            pks,
            state,
            actor=current_staff(request),
            name=actor_label(current_staff(request)),
            justification=justification,
        )
        words = f"{state.label.capitalize()} {decided} external change{'' if decided == 1 else 's'}."
        if decided < len(pks):
            words += f" The other {len(pks) - decided} were already decided."
        self.message_user(request, f"{words} Nothing was sent to ElevenLabs.", messages.SUCCESS)
        return None

    @display(description="Event", ordering="entry__kind")
    def what(self, change: OutsideChange) -> str:
        return render_to_string("outside/what_cell.html", {"change": change})

    @display(description="Object", ordering="entry__object_name")
    def object_cell(self, change: OutsideChange) -> str:
        return render_to_string("outside/object_cell.html", {"change": change})

    @display(description="When", ordering=Coalesce("since", "found_at"))
    def between(self, change: OutsideChange) -> str:
        return render_to_string("outside/when_cell.html", {"change": change})

    @display(description="State", ordering="state", label=LABELS)
    def state_cell(self, change: OutsideChange) -> tuple[str, str]:
        return change.state, change.get_state_display()

    @display(description="Decided by", ordering="decided_by_name")
    def who(self, change: OutsideChange) -> str:
        return visible(change.decided_by_name) or "–"
