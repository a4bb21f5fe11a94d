"""Sync: the runs, and the button that asks for one."""

from django.contrib import admin
from django.urls import path
from unfold.decorators import display

from controlplane.mirror import views
from controlplane.mirror.models import SyncRun
from controlplane.readonly import ReadOnlyAdmin
from controlplane.templatetags.when import ago


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    what_it_is = (
        "A sync run lists everything at ElevenLabs and brings this picture up to date. A worker starts one every "
        "minute; “Sync now” asks for one at once."
    )
    list_display = [
        "outcome",
        "when",
        "seconds",
        "seen",
        "added",
        "changed",
        "gone",
        "quarantined",
        "calls",
        "waited_ms",
        "problem",
    ]
    list_display_links = None
    list_filter = ["state"]
    list_fullwidth = True

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(views.start), name="mirror_syncrun_start"),
            path("picture/", wrap(views.picture), name="mirror_syncrun_picture"),
            *super().get_urls(),
        ]

    @display(
        description="State", ordering="state", label={"complete": "success", "partial": "danger", "running": "info"}
    )
    def outcome(self, run: SyncRun) -> str:
        return run.get_state_display()

    @display(description="Started", ordering="started_at")
    def when(self, run: SyncRun) -> str:
        return ago(run.started_at)

    @display(description="Took")
    def seconds(self, run: SyncRun) -> str:
        return f"{(run.ended_at - run.started_at).total_seconds():.1f} s" if run.ended_at else "–"
