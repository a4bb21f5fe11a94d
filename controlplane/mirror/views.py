"""Pages of the sync: its button, its status line, one run, one hold."""

from typing import Any

from django.apps import apps
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit.forms import JustificationForm
from controlplane.audit.ledger import actor_label
from controlplane.lookups import get_row_or_404, parse_pk
from controlplane.mirror import holds, runs
from controlplane.mirror.models import Hold, RemoteObject, SyncRun
from controlplane.pages import current_staff, previous_url, render_page

ON_A_PAGE = 100


@require_POST
@permission_required("mirror.add_syncrun", raise_exception=True)
def start(request: HttpRequest) -> HttpResponse:
    """Requests a run, which a worker carries out; nothing is listed within a web request."""
    run = runs.request_sync(current_staff(request))
    link = format_html('<a class="cp-link" href="{}">Show progress</a>', _page_of(run))
    if run.state == SyncRun.State.RUNNING:
        messages.info(request, format_html("A sync is under way already. {}", link))
    elif runs.enqueue_sync():
        messages.info(request, format_html("Syncing. The header shows the progress. {}", link))
    else:
        messages.warning(
            request,
            format_html(
                "Requested, but the worker could not be notified; it will pick this up within a minute. {}", link
            ),
        )
    return redirect(previous_url(request, reverse("admin:index")))


@require_GET
@permission_required("mirror.view_syncrun", raise_exception=True)
def data_age(request: HttpRequest) -> HttpResponse:
    since = request.GET.get("since", "")
    return render(
        request,
        "controlplane/data_age.html",
        {
            "since": parse_pk(since) or 0,
            "told_refused": request.GET.get("refused", ""),
        },
    )


def run_page(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("mirror.view_syncrun"):
        raise PermissionDenied
    run = get_row_or_404(SyncRun.objects.select_related("requested_by"), pk)
    title = f"Sync of {run.started_at:%d %b %Y, %H:%M:%S} UTC"
    return render_page(request, "mirror/run.html", {**_facts(run), "title": title})


@require_GET
@permission_required("mirror.view_syncrun", raise_exception=True)
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that is polled. Once the run has ended, the whole page is refreshed."""
    run = get_object_or_404(SyncRun, pk=pk)
    response = render(request, "mirror/progress.html", _facts(run))
    if not run.is_open:
        response["HX-Refresh"] = "true"
    return response


def _facts(run: SyncRun) -> dict[str, Any]:
    took = (run.ended_at - run.started_at).total_seconds() if run.ended_at else None
    return {
        "run": run,
        "took": took,
        "holds": [hold for hold in run.holds.all() if hold.state == Hold.State.OPEN],
        "outside": run.outside_changes.count(),
        "nobody_came": run.state == SyncRun.State.ASKED and runs.is_stalled(run),
    }


def _page_of(run: SyncRun) -> str:
    return reverse("admin:mirror_syncrun_change", args=[run.pk])


def hold_page(request: HttpRequest, pk: str) -> HttpResponse:
    if not request.user.has_perm("mirror.view_hold"):
        raise PermissionDenied
    return _hold(request, get_row_or_404(Hold, pk), JustificationForm())


def _hold(request: HttpRequest, hold: Hold, form: JustificationForm) -> HttpResponse:
    page = Paginator(hold.objects_missing, ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "hold": hold,
        "page": page,
        "missing": _rows(hold, list(page)),
        "form": form,
        "title": str(hold),
    }
    return render_page(request, "mirror/hold.html", context)


def _rows(hold: Hold, remote_ids: list[str]) -> list[RemoteObject]:
    """The rows of these ids, sorted by name. Every held object has one, because rows are never deleted."""
    for model in apps.get_models():
        if issubclass(model, RemoteObject) and f"{model.object_type}s" == hold.what:
            rows = model._default_manager.defer("remote_data").filter(remote_id__in=remote_ids)
            return sorted(rows, key=lambda row: row.display_name())
    return []


@require_POST
@permission_required("mirror.decide_hold", raise_exception=True)
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Accepts what a run held. Nothing is sent; the next run acts on it."""
    hold = get_object_or_404(Hold, pk=pk)
    actor, form = current_staff(request), JustificationForm(request.POST)
    if not form.is_valid():
        return _hold(request, hold, form)
    if holds.accept(hold, actor=actor, name=actor_label(actor), justification=form.justification):
        run = runs.request_sync(actor)
        runs.enqueue_sync()
        messages.success(request, "Accepted. A sync that checks again has been requested.")
        return redirect(_page_of(run))
    hold.refresh_from_db()
    who = f" by {hold.decided_by_name}" if hold.decided_by_name else ""
    messages.warning(request, f"Nothing was done: this is {hold.get_state_display()}{who} already.")
    return redirect("admin:mirror_hold_change", hold.pk)
