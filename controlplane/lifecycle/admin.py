"""The list of API check reports."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from unfold.decorators import display

from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import REFUTED, chart, hot_swap, listed_after, report_context
from controlplane.lookups import get_row_or_404
from controlplane.pages import render_page
from controlplane.readonly_admin import ReadOnlyAdmin
from controlplane.templatetags.when import ago

COLOURS = {"as expected": "success", "unexpected": "warning", "aborted": "danger", "not ended": "info"}


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    what_it_is = (
        "manage.py lifecycle creates two agents, imports a number, assigns and swaps it, tries what should be "
        "refused, and removes everything again. Its reports are listed here."
    )
    list_display = ["when", "outcome", "remote", "swap", "listed", "refuted", "who"]
    list_display_links = ["when"]
    list_before_template = "lifecycle/newest.html"

    def changelist_view(self, request, extra_context=None):
        newest = Report.objects.exclude(state=Report.State.RUNNING).first()
        more = {"newest": newest, "chart": chart(newest.data if newest else {})}
        return super().changelist_view(request, {"title": "API check reports", **more, **(extra_context or {})})

    def change_view(self, request, object_id, form_url="", extra_context=None):
        if not request.user.has_perm("lifecycle.view_report"):
            raise PermissionDenied
        report = get_row_or_404(Report, object_id)
        shown = report_context(report.data) if report.data else {"data": {}}  # it may have ended without any
        forgotten = list(report.asked.exclude(forgotten_at=None))
        shown |= {"title": str(report), "report": report, "forgotten": forgotten}
        return render_page(request, "lifecycle/report.html", shown)

    @display(description="Run", ordering="id")
    def when(self, report: Report) -> str:
        return ago(report.started_at)

    @display(description="Verdict", ordering="state", label=COLOURS)
    def outcome(self, report: Report) -> tuple[str, str]:
        """(colour key, text). Leftovers are shown until they are removed or forgotten, because they need attention."""
        state, left = report.get_state_display(), len(report.data.get("left", []))
        if not left or report.asked.exclude(forgotten_at=None).exists():
            return state, state
        return state, f"{state}, {left} left over"

    @display(description="Remote")
    def remote(self, report: Report) -> str:
        return "Sandbox" if report.data.get("sandbox") else report.base_url.removeprefix("https://")

    @display(description="Hot-swap")
    def swap(self, report: Report) -> str:
        return hot_swap(report.data) or "–"

    @display(description="Listed after")
    def listed(self, report: Report) -> str:
        return listed_after(report.data).get("p50", "–")

    @display(description="Refuted")
    def refuted(self, report: Report) -> str:
        lines = report.data.get("assumptions", [])
        return ", ".join(str(line["number"]) for line in lines if line["verdict"] == REFUTED) or "none"

    @display(description="By", ordering="actor_name")
    def who(self, report: Report) -> str:
        return report.actor_name
