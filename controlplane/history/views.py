"""The page of one history entry, and the export."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from controlplane.audit import export as files
from controlplane.audit.models import Entry, Link
from controlplane.history import download, undo
from controlplane.lookups import get_row_or_404
from controlplane.operations.diff_display import differences
from controlplane.operations.models import Operation
from controlplane.pages import render_page
from controlplane.templatetags.names import visible
from numbers.object_links import object_links

FORMATS = {
    "csv": (files.csv_lines, "text/csv; charset=utf-8"),
    "jsonl": (files.json_lines, "application/jsonl; charset=utf-8"),
}


def entry(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("audit.view_entry"):
        raise PermissionDenied
    found = get_row_or_404(Entry.objects.annotate(**object_links()), pk)
    context = {
        "title": "History entry",
        "entry": found,
        "cause": _cause(request, found),
        "settings": differences(found.before, found.after) if found.is_change else [],
        "facts": [] if found.is_change else _facts(found),
        **undo.undo_context(request, found),
        "link": Link.objects.filter(entry_id=found.pk).first(),
    }
    return render_page(request, "history/entry.html", context)


def _facts(found: Entry) -> list[tuple[str, str]]:
    return [(name, visible(str(value))) for name, value in found.after.items() if name != "undoes"]  # shown separately


def _cause(request: HttpRequest, found: Entry) -> dict[str, Any]:
    """The cause as text, with a link to its page for users who may see it."""
    if found.cause == Entry.Cause.OPERATION:
        op = Operation.objects.filter(pk=found.cause_id).first() if found.cause_id.isdecimal() else None
        url = op and request.user.has_perm("operations.view_operation")
        return {
            "words": visible(op.title) if op else "an operation",
            "url": reverse("admin:operations_operation_change", args=[op.pk]) if op and url else "",
        }
    if found.cause == Entry.Cause.SYNC and found.cause_id.isdecimal():
        url = request.user.has_perm("mirror.view_syncrun")
        page = reverse("admin:mirror_syncrun_change", args=[found.cause_id]) if url else ""
        return {"words": f"found by sync {found.cause_id}; no operation explains it", "url": page}
    return {"words": f"{found.get_cause_display()} ({_cause_id(found)})", "url": ""}


def _cause_id(found: Entry) -> str:
    """The stored reference "outside change 7" in the pages' terms."""
    return visible(found.cause_id.replace("outside change", "external change"))


@require_POST
@permission_required("audit.export_entry", raise_exception=True)
def export(request: HttpRequest, entries: QuerySet[Entry]) -> HttpResponse | StreamingHttpResponse:
    """The entries that the page shows, as a file. The export is itself recorded, before it starts."""
    name = request.POST.get("format", "")
    if name not in FORMATS:
        return HttpResponseBadRequest("Unknown format.", content_type="text/plain")
    filters = ", ".join(f"{field} {value}" for field, value in request.GET.items() if value)[:500]
    newest = Entry.objects.order_by("-pk").values_list("pk", flat=True).first()
    summary = {"told": f"exported as {name}: {filters or 'everything'}", "up_to": newest}
    download.record_export(request, summary)
    lines, kind = FORMATS[name]
    return download.as_file(
        lines(entries.filter(pk__lte=newest or 0)), f"history-{timezone.now():%Y%m%d-%H%M%S}.{name}", kind
    )
