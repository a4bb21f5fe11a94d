"""The Activity list: every operation and change set with its result."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.html import format_html
from unfold.decorators import display

from controlplane.operations import views
from controlplane.operations.actions import Action, all_actions
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.search import matching
from controlplane.readonly_admin import ReadOnlyAdmin
from controlplane.templatetags.when import ago

COLOURS = {
    "planned": "default",
    "being checked": "info",
    "unconfirmed": "warning",
    "done": "success",
    "refused": "danger",
    "not sent": "danger",
    "not applied": "danger",
    "overtaken": "danger",
}


def shortened(trace_id: str) -> str:
    return trace_id if len(trace_id) <= 9 else f"{trace_id[:8]}…"


class VerdictFilter(admin.SimpleListFilter):
    title = "verdict"
    parameter_name = "verdict"

    def lookups(self, request, model_admin):
        return State.choices

    def queryset(self, request, queryset):
        return queryset.filter(state=self.value()) if self.value() else queryset


def action_label(action: type[Action]) -> str:
    return action.verbose_name[0].upper() + action.verbose_name[1:]


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        choices = [(name, action_label(action)) for name, action in all_actions().items()]
        return sorted(choices, key=lambda choice: choice[1])

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    what_it_is = "Every change that you make at ElevenLabs, with its result and how the result is known."
    list_display = ["asked", "verdict", "who", "when", "took", "trace"]
    list_filter = [VerdictFilter, "object_type", KindFilter]
    search_fields = ["title", "object_id", "actor_name", "trace_id"]
    search_help_text = "Number, agent, id, person or trace id"
    list_display_links = ["asked"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        return Operation.objects.defer("params", "before", "observed", "not_kept", "display_names")

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/check/", wrap(views.check_now), name="operations_operation_check"),
            path("<int:pk>/verdict/", wrap(views.verdict), name="operations_operation_verdict"),
            *super().get_urls(),
        ]

    def get_search_results(self, request, queryset, search_term):
        return matching(queryset, search_term), False

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.operation(request, object_id)

    @display(description="Operation", ordering="title")
    def asked(self, op: Operation) -> str:
        return op.title

    @display(description="Verdict", ordering="state", label=COLOURS)
    def verdict(self, op: Operation) -> str:
        return op.get_state_display()

    @display(description="Who", ordering="actor_name")
    def who(self, op: Operation) -> str:
        return op.actor_name

    @display(description="When", ordering="created_at")
    def when(self, op: Operation) -> str:
        return ago(op.created_at)

    @display(description="Took", ordering="milliseconds")
    def took(self, op: Operation) -> str | None:
        return None if op.milliseconds is None else f"{op.milliseconds} ms"

    @display(description="Trace id", ordering="trace_id")
    def trace(self, op: Operation) -> str | None:
        if not op.trace_id:
            return None
        return format_html('<span class="cp-mono" title="{}">{}</span>', op.trace_id, shortened(op.trace_id))


@admin.register(ChangeSet)
class ChangeSetAdmin(ReadOnlyAdmin):
    what_it_is = (
        "A change set is several writes done in order by a worker, such as moving an agent's numbers before it is "
        "deleted."
    )
    list_display = ["title", "progress", "who", "when"]
    search_fields = ["title", "actor_name"]
    list_filter = ["state"]

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/resume/", wrap(views.resume), name="operations_changeset_resume"),
            path("<int:pk>/steps/", wrap(views.steps), name="operations_changeset_steps"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.change_set(request, object_id)

    @display(description="State", ordering="state", label={"running": "info", "done": "success", "stopped": "danger"})
    def progress(self, change_set: ChangeSet) -> str:
        return change_set.get_state_display()

    @display(description="Who", ordering="actor_name")
    def who(self, change_set: ChangeSet) -> str:
        return change_set.actor_name

    @display(description="When", ordering="created_at")
    def when(self, change_set: ChangeSet) -> str:
        return ago(change_set.created_at)
