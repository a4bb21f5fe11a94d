"""The page of one report."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from controlplane.lifecycle.assumptions import CONFIRMED, NOT_TRIED, REFUTED
from controlplane.lifecycle.chart import chart
from controlplane.lifecycle.markdown import AFTER_DELETE, verdict
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.step import OTHERWISE, OUTCOMES
from controlplane.lookups import get_row_or_404
from controlplane.pages import render_page


def report(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("lifecycle.view_report"):
        raise PermissionDenied
    found = get_row_or_404(Report, pk)
    return render_page(request, "lifecycle/report.html", {**_facts(found), "title": str(found)})


def _facts(found: Report) -> dict[str, Any]:
    data = found.data
    forgotten = list(found.asked.exclude(forgotten_at=None))
    if not data:  # the process ended before it had saved any data
        return {"report": found, "data": {}, "forgotten": forgotten}
    steps = [
        step
        | {
            "went_otherwise": step["outcome"] == OTHERWISE,
            "outcome_words": OUTCOMES.get(step["outcome"], step["outcome"]),
        }
        for step in data["steps"]
    ]
    lines = data["assumptions"]
    return {
        "report": found,
        "data": data,
        "forgotten": forgotten,
        "verdict": verdict(data),
        "chart": chart(data["latencies"]) if data["latencies"] else None,
        "after_delete": AFTER_DELETE.get(data["after_delete"], ""),
        "steps": [step for step in steps if step["round"] == 1],
        "later": [step for step in steps if step["round"] > 1 and step["went_otherwise"]],
        "refusals": [step for step in steps if (step["status"] or 0) >= 400],
        "told": [line for wanted in (REFUTED, CONFIRMED) for line in lines if line["verdict"] == wanted],
        "untold": [line for line in lines if line["verdict"] == NOT_TRIED],
    }
