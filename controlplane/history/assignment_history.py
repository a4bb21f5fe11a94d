"""Which agent answered a number when, as a chart, a list and a file."""

from collections.abc import Iterator

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit import binding_timeline, point_in_time
from controlplane.audit.point_in_time import Span
from controlplane.history import download
from controlplane.pages import render_page
from controlplane.templatetags.names import visible
from numbers.models import PhoneNumber

MAX_LISTED = 200
HEADER = ("from", "until", "agent", "agent_id", "state", "by", "entry")


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def assignment_history(request: HttpRequest, number_id: str) -> HttpResponse:
    strip = _strip(request, number_id)
    number = PhoneNumber.objects.defer("remote_data").filter(remote_id=number_id).first()
    name = number.display_name() if number else visible(number_id)
    context = {
        "title": f"Assignment history of {name}",
        "strip": strip,
        "number": number,
        "spans": binding_timeline.SPANS.items(),
        "most": MAX_LISTED,
        "known_from": point_in_time.history_begins_at(),
        "zone": timezone.get_current_timezone_name(),
    }
    return render_page(request, "history/assignment_history.html", context)


@require_POST
@permission_required("audit.export_entry", raise_exception=True)
def export(request: HttpRequest, number_id: str) -> StreamingHttpResponse:
    strip = _strip(request, number_id)
    what = f"assignment history of {number_id}, {binding_timeline.SPANS[strip.chosen]}"
    rows = _rows([piece.span for piece in strip.pieces])
    return download.as_csv(request, what, f"answered-{number_id}-{timezone.localtime():%Y%m%d-%H%M%S}", HEADER, rows)


def _strip(request: HttpRequest, number_id: str) -> binding_timeline.Strip:
    chosen = request.GET.get("span", "30")
    strip = binding_timeline.of_number(number_id, chosen if chosen in binding_timeline.SPANS else "30")
    if not strip.pieces:
        raise Http404
    return strip


def _rows(spans: list[Span]) -> Iterator[list[object]]:
    for span in spans:
        state = "gone" if span.is_gone else "answered" if span.agent_id else "nobody"
        begins = span.begins.isoformat() if span.begins else ""
        ends = span.ends.isoformat() if span.ends else ""
        yield [begins, ends, span.agent_name, span.agent_id, state, span.actor_name, span.entry_id or ""]
