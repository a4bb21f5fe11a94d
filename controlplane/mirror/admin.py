"""Admin pages of sync runs and holds."""

from django.contrib import admin
from django.urls import path
from unfold.decorators import display

from controlplane.mirror import views
from controlplane.mirror.models import Hold, SyncRun
from controlplane.readonly_admin import ReadOnlyAdmin
from controlplane.templatetags.when import ago

COLOURS = {"complete": "success", "partial": "danger", "held": "warning", "running": "info", "requested": "info"}


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    what_it_is = (
        "A sync run lists everything at ElevenLabs and updates the data shown here. A worker starts one every "
        "minute; “Sync now” starts one at once."
    )
    list_display = ["when", "outcome", "seconds", "seen", "added", "changed", "gone", "left", "calls", "waited", "why"]
    list_display_links = ["when"]
    list_filter = ["state"]
    list_fullwidth = True
    list_before_template = "health/card.html"

    def get_queryset(self, request):
        return SyncRun.objects.defer("left_out", "failed_calls")

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(views.start), name="mirror_syncrun_start"),
            path("picture/", wrap(views.data_age), name="mirror_syncrun_picture"),
            path("<int:pk>/progress/", wrap(views.progress), name="mirror_syncrun_progress"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.run_page(request, object_id)

    @display(description="State", ordering="state", label=COLOURS)
    def outcome(self, run: SyncRun) -> str:
        return run.get_state_display()

    @display(description="Started", ordering="started_at")
    def when(self, run: SyncRun) -> str:
        return ago(run.started_at)

    @display(description="Took")
    def seconds(self, run: SyncRun) -> str:
        return f"{(run.ended_at - run.started_at).total_seconds():.1f}\u00a0s" if run.ended_at else "–"

    @display(description="Left out", ordering="quarantined")
    def left(self, run: SyncRun) -> int:
        return run.quarantined

    @display(description="Waited", ordering="waited_ms")
    def waited(self, run: SyncRun) -> str:
        return f"{run.waited_ms / 1000:.1f}\u00a0s"

    @display(description="Why not complete")
    def why(self, run: SyncRun) -> str:
        return run.problem if len(run.problem) <= 90 else f"{run.problem[:90]}…"


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    what_it_is = (
        "An unlikely result of a sync: many objects missing at once, or another workspace. Nothing is marked as gone "
        "until a user accepts the result or a later sync resolves it."
    )
    list_display = ["what_was_found", "where_it_stands", "when", "who"]
    list_display_links = ["what_was_found"]
    list_filter = ["state"]

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/accept/", wrap(views.accept), name="mirror_hold_accept"), *super().get_urls()]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.hold_page(request, object_id)

    @display(description="Found")
    def what_was_found(self, hold: Hold) -> str:
        return str(hold)

    @display(
        description="State",
        ordering="state",
        label={"needs review": "warning", "accepted": "info", "resolved": "success"},
    )
    def where_it_stands(self, hold: Hold) -> str:
        return hold.get_state_display()

    @display(description="Since", ordering="opened_at")
    def when(self, hold: Hold) -> str:
        return ago(hold.opened_at)

    @display(description="Decided by")
    def who(self, hold: Hold) -> str:
        return hold.decided_by_name
