"""The integrity check page: how much is sealed, the last result, and a button to verify again."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from controlplane.audit import chain, tasks, triggers, verification
from controlplane.audit.ledger import actor_label
from controlplane.audit.models import Cut, Entry, Link, Verification
from controlplane.enqueue import enqueue
from controlplane.pages import current_staff, render_page


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def integrity(request: HttpRequest) -> HttpResponse:
    digest = request.GET.get("digest", "").strip().lower()
    context = {
        "title": "Integrity check",
        **_progress(),
        "last": Link.objects.order_by("-position").first(),
        "waiting": Entry.objects.filter(pk__gt=_newest_sealed()).count(),
        "guarded": triggers.is_installed(),
        "cut": Cut.objects.first(),
        "verifications": Verification.objects.exclude(state=Verification.State.OPEN)[:10],
        "noted": digest[:64],
        "contained": chain.contains(digest) if digest else None,
    }
    return render_page(request, "history/integrity.html", context)


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def progress(request: HttpRequest) -> HttpResponse:
    """The part of the page that is polled; when the verification has ended, the whole page is reloaded."""
    facts = _progress()
    response = render(request, "history/verification.html", facts)
    if not facts["open"]:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@permission_required("audit.add_verification", raise_exception=True)
def request_check(request: HttpRequest) -> HttpResponse:
    verification.request(actor_label(current_staff(request)))
    if not enqueue(tasks.verify):
        messages.warning(
            request, "Requested, but the worker could not be notified; it will pick this up within a minute."
        )
    return redirect("admin:audit_entry_whole")


def _progress() -> dict[str, Any]:
    """The verification in progress, and the newest finished one."""
    running = Verification.objects.filter(state=Verification.State.OPEN).first()
    return {"open": running, "newest": verification.newest()}


def _newest_sealed() -> int:
    return Link.objects.order_by("-entry_id").values_list("entry_id", flat=True).first() or 0
