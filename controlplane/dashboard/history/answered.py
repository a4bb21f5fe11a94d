"""Which agent answered one number when: as a strip, as a list, as a file."""

from collections.abc import Iterator

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit import past, strip
from controlplane.audit.past import Span
from controlplane.dashboard.history import taken
from controlplane.dashboard.history.frame import framed
from controlplane.operations.pages import show
from controlplane.templatetags.names import visible
from numbers.models import PhoneNumber

IN_THE_LIST = 200
HEAD = ("from", "until", "agent", "agent_id", "state", "by", "entry")


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def answered(request: HttpRequest, number_id: str) -> HttpResponse:
    drawn = _strip(request, number_id)
    number = PhoneNumber.objects.defer("remote_data").filter(remote_id=number_id).first()
    name = number.display_name() if number else visible(number_id)
    context = {
        **framed(f"Assignment history of {name}", request),
        "strip": drawn,
        "number": number,
        "spans": strip.SPANS.items(),
        "most": IN_THE_LIST,
        "known_from": past.known_from(),
        "zone": timezone.get_current_timezone_name(),
    }
    return show(request, "history/answered.html", context)


@require_POST
@permission_required("audit.export_entry", raise_exception=True)
def export(request: HttpRequest, number_id: str) -> StreamingHttpResponse:
    drawn = _strip(request, number_id)
    what = f"assignment history of {number_id}, {strip.SPANS[drawn.chosen]}"
    rows = _rows([piece.span for piece in drawn.pieces])
    return taken.as_csv(request, what, f"answered-{number_id}-{timezone.localtime():%Y%m%d-%H%M%S}", HEAD, rows)


def _strip(request: HttpRequest, number_id: str) -> strip.Strip:
    chosen = request.GET.get("span", "30")
    drawn = strip.of_number(number_id, chosen if chosen in strip.SPANS else "30")
    if not drawn.pieces:
        raise Http404
    return drawn


def _rows(spans: list[Span]) -> Iterator[list[object]]:
    for span in spans:
        state = "gone" if span.is_gone else "answered" if span.agent_id else "nobody"
        begins = span.begins.isoformat() if span.begins else ""
        ends = span.ends.isoformat() if span.ends else ""
        yield [begins, ends, span.agent_name, span.agent_id, state, span.actor_name, span.entry_id or ""]
