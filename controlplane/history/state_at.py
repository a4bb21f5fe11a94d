"""Pages that show every number and agent, or one of them, as of a chosen moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit import point_in_time
from controlplane.audit.point_in_time import KnownState
from controlplane.history import download
from controlplane.mirror.models import SyncRun
from controlplane.operations.humanize import humanize
from controlplane.pages import render_page
from controlplane.templatetags.names import visible

PAGE_SIZE = 100


@dataclass(frozen=True)
class ObjectType:
    """A type that can be listed. `paths` is {setting's path in the history: column name in the export}."""

    object_type: str
    words: str
    paths: Mapping[str, str]

    def cells(self, known: KnownState) -> list[str]:
        return ["" if value in (None, []) else str(value) for value in map(known.settings.get, self.paths)]


OBJECT_TYPES = {
    "numbers": ObjectType(
        "number",
        "Numbers",
        {"phone_number": "number", "label": "label", "agent_name": "agent", "agent_id": "agent_id"},
    ),
    "agents": ObjectType(
        "agent",
        "Agents",
        {
            "name": "agent",
            "conversation_config.agent.language": "language",
            "conversation_config.agent.prompt.llm": "llm",
            "conversation_config.tts.voice_id": "voice_id",
            "tags": "tags",
        },
    ),
}


class MomentForm(forms.Form):
    at = forms.DateTimeField(
        label="Point in time",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )
    q = forms.CharField(label="Search", required=False, max_length=200)
    what = forms.ChoiceField(choices=[(name, sort.words) for name, sort in OBJECT_TYPES.items()], required=False)

    def clean_at(self) -> datetime:
        at: datetime = self.cleaned_data["at"]
        if at > timezone.now():
            raise forms.ValidationError("This is in the future. Choose a past point in time.")
        kept = point_in_time.history_begins_at()
        if kept and at < kept:
            raise forms.ValidationError(
                f"History from before {timezone.localtime(kept):%d %b %Y, %H:%M:%S %Z} was removed, so the "
                "state at that time is not known any more."
            )
        return at

    def clean_what(self) -> str:
        return self.cleaned_data["what"] or "numbers"


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def state_at(request: HttpRequest) -> HttpResponse:
    form = MomentForm(request.GET if "at" in request.GET else None, initial={"at": timezone.localtime()})
    what = request.GET.get("what", "")
    what = what if what in OBJECT_TYPES else "numbers"
    context: dict[str, Any] = {
        "title": "State at",
        "form": form,
        "zone": timezone.get_current_timezone_name(),
        "what": what,
        "kinds": [(name, sort.words, _query(request, what=name)) for name, sort in OBJECT_TYPES.items()],
    }
    if form.is_bound and form.is_valid():
        at = form.cleaned_data["at"]
        page = Paginator(_known(form), PAGE_SIZE).get_page(request.GET.get("page"))
        context |= {
            "at": at,
            "page": page,
            "rows": [(known, [visible(cell) for cell in OBJECT_TYPES[what].cells(known)]) for known in page],
            "picture": _sync_before(at),
            "query": _query(request),
        }
    return render_page(request, "history/state_at.html", context)


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def object_state_at(request: HttpRequest, object_type: str, object_id: str) -> HttpResponse:
    """One object with all its settings, at the given moment or now."""
    form = MomentForm(request.GET if "at" in request.GET else {"at": timezone.now()})
    if object_type not in [sort.object_type for sort in OBJECT_TYPES.values()] or not form.is_valid():
        raise Http404
    at = form.cleaned_data["at"]
    known = point_in_time.object_at(object_type, object_id, at)
    if known is None:
        raise Http404
    context = {
        "title": f"State of {visible(known.name) or object_id}",
        "one": known,
        "object_type": object_type,
        "at": at,
        "picture": _sync_before(at),
        "settings": [(path, visible(humanize(value))) for path, value in sorted(known.settings.items())],
    }
    return render_page(request, "history/object_state_at.html", context)


@require_POST
@permission_required("audit.export_entry", raise_exception=True)
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The same list as CSV."""
    form = MomentForm(request.GET)
    if not form.is_valid():
        return HttpResponse("Not a valid point in time.", status=400, content_type="text/plain")
    at, what = form.cleaned_data["at"], form.cleaned_data["what"]
    sort = OBJECT_TYPES[what]
    search_note = f', with "{form.cleaned_data["q"]}"' if form.cleaned_data["q"] else ""
    rows = (
        [
            *sort.cells(known),
            known.object_id,
            known.since.isoformat() if known.since else "",
        ]
        for known in _known(form)
    )
    return download.as_csv(
        request,
        f"{what} at {at.isoformat()}{search_note}",
        f"{what}-{timezone.localtime(at):%Y%m%d-%H%M%S}",
        [*sort.paths.values(), f"{sort.object_type}_id", "known_since"],
        rows,
    )


def _known(form: MomentForm) -> list[KnownState]:
    """Objects that existed at that moment, sorted, whose listed values contain all search terms."""
    sort = OBJECT_TYPES[form.cleaned_data["what"]]
    known = point_in_time.state_at(sort.object_type, form.cleaned_data["at"], list(sort.paths))
    terms = form.cleaned_data["q"].casefold().split()
    matching = [
        one
        for one in known.values()
        if not one.is_gone
        and all(term in " ".join([*sort.cells(one), one.name, one.object_id]).casefold() for term in terms)
    ]
    return sorted(matching, key=lambda one: (one.name, one.object_id))


def _query(request: HttpRequest, **changed: str) -> str:
    """The current query string for links, without the page number."""
    query = request.GET.copy()
    query.pop("page", None)
    for name, value in changed.items():
        query[name] = value
    return query.urlencode()


def _sync_before(at: datetime) -> dict[str, Any]:
    """How fresh the data was: the newest complete run by then, and its age. Of runs that have been thinned out one an
    hour is kept, so the data may have been fresher."""
    runs = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, ended_at__lte=at)
    run = runs.order_by("-ended_at").values("started_at").first()
    if run is None:
        return {}
    age = (at - run["started_at"]).total_seconds()
    return {"as_of": run["started_at"], "age": age, "thinned": at < timezone.now() - settings.SYNC_RUNS_KEPT}
