"""The page that proposes to unassign numbers of deleted agents. Its button plans a change set."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from controlplane.audit.unavailable import AuditUnavailable
from controlplane.enqueue import enqueue
from controlplane.operations import tasks
from controlplane.operations.errors import KeyReused
from controlplane.operations.form_flow import add_refusal, url_of
from controlplane.pages import current_staff, redirect_page, render_page
from numbers import orphans
from numbers.forms import OrphansForm
from numbers.orphans import Proposal


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("numbers.view_phonenumber", raise_exception=True)
def orphans_page(request: HttpRequest) -> HttpResponse:
    may_release = request.user.has_perm("numbers.assign_phonenumber")
    if request.method == "POST" and not may_release:
        raise PermissionDenied
    offer = orphans.proposal()
    form = OrphansForm(request.POST if request.method == "POST" else None, initial={"shown": _ids(offer)})
    if form.is_bound and form.is_valid():
        response = _release(request, form)
        if response is not None:
            return response
        offer = orphans.proposal()  # verifying the agents may have updated them
        form.show_instead("shown", _ids(offer))
    context = {
        "title": "Numbers whose agent is gone",
        "form": form,
        "offer": offer,
        "may_release": may_release,
        "by_itself": settings.ORPHAN_CLEANUP == orphans.AUTOMATIC,
    }
    return render_page(request, "numbers/orphans.html", context)


def _release(request: HttpRequest, form: OrphansForm) -> HttpResponse | None:
    remote_ids = form.cleaned_data["shown"].split()
    try:
        released = orphans.release(
            remote_ids, key=form.operation_key, asked_by=current_staff(request), justification=form.justification
        )
    except (orphans.NotReleased, KeyReused, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    enqueue(tasks.run_change_sets)
    if released.left_out:
        messages.warning(request, f"Left out: {' '.join(released.left_out)}")
    return redirect_page(request, url_of(released.change_set))


def _ids(offer: Proposal) -> str:
    return " ".join(orphan.number.remote_id for orphan in offer.ready)
