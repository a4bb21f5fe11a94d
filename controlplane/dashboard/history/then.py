"""What was bound to what at a moment somebody chooses, and that as a file."""

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit import export as files
from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.audit.past import Known, state_at
from controlplane.mirror.models import SyncRun
from controlplane.operations.pages import actor_of, show
from controlplane.operations.run import name_of

ON_A_PAGE = 100
HEAD = ("number", "label", "agent", "agent_id", "number_id", "known_since")


class MomentForm(forms.Form):
    at = forms.DateTimeField(
        label="As it was known at",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )
    q = forms.CharField(label="Number, label or agent", required=False, max_length=200)

    def clean_at(self) -> datetime:
        at: datetime = self.cleaned_data["at"]
        if at > timezone.now():
            raise forms.ValidationError("That is still to come. Choose a moment that has passed.")
        return at


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def then(request: HttpRequest) -> HttpResponse:
    form = MomentForm(request.GET if "at" in request.GET else None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Bindings at a time",
        "subtitle": None,
        "form": form,
        "zone": timezone.get_current_timezone_name(),
    }
    if form.is_bound and form.is_valid():
        at = form.cleaned_data["at"]
        known = _known(at, form.cleaned_data["q"])
        context |= {
            "at": at,
            "page": Paginator(known, ON_A_PAGE).get_page(request.GET.get("page")),
            "picture": _picture(at),
            "query": request.GET.urlencode(),
        }
    return show(request, "history/then.html", context, status=422 if form.errors else 200)


@require_POST
@permission_required("audit.export_entry", raise_exception=True)
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The same as CSV. That somebody took it is an entry itself, written first."""
    form = MomentForm(request.GET)
    if not form.is_valid():
        return HttpResponse("No such moment.", status=400, content_type="text/plain")
    at, actor = form.cleaned_data["at"], actor_of(request)
    told = {"told": f"exported as csv: bindings at {at.isoformat()}"}
    cause = ledger.Cause(Entry.Cause.PERSON, "", actor, name_of(actor))
    with transaction.atomic():
        ledger.record(ledger.entry("history.exported", "history", "", "History", after=told, cause=cause))
    name = f"bindings-{timezone.localtime(at):%Y%m%d-%H%M%S}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = _lines(_known(at, form.cleaned_data["q"]))
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _known(at: datetime, sought: str) -> list[Known]:
    """Numbers that were there, in order, with the words of the search in number, label or agent."""
    there = [one for one in state_at("number", at).values() if not one.is_gone]
    terms = sought.casefold().split()
    fits = [one for one in there if all(term in " ".join(_cells(one)).casefold() for term in terms)]
    return sorted(fits, key=lambda one: (one.name, one.object_id))


def _cells(one: Known) -> list[str]:
    shown = {name: one.settings.get(name) or "" for name in ("phone_number", "label", "agent_name", "agent_id")}
    return [*map(str, shown.values()), one.object_id]


def _lines(known: list[Known]) -> Iterator[str]:
    writer = csv.writer(files.Echo())
    yield writer.writerow(HEAD)
    for one in known:
        since = one.since.isoformat() if one.since else ""
        yield writer.writerow([files.harmless(cell) for cell in [*_cells(one), since]])


def _picture(at: datetime) -> SyncRun | None:
    """The newest run that had listed everything by then: how fresh the picture was. None where it is kept no more."""
    runs = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, ended_at__lte=at)
    return runs.order_by("-ended_at").first()
