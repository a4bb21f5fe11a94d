"""The page that undoes an operation from its history entry. GET previews, POST requests."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from controlplane.audit.models import Entry
from controlplane.operations.diff_display import differences
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import OPEN_STATES, Operation
from controlplane.pages import render_page
from controlplane.templatetags.names import visible
from numbers import undo as service
from numbers.revert_form import AUTO_ID, submit_revert
from numbers.revert_plan import RevertPlan, required_permissions, row_of


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("audit.view_entry", raise_exception=True)
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Entry, pk=pk)
    if not _may_have_undo(found):
        raise Http404
    if not request.user.has_perms(required_permissions(found)):
        raise PermissionDenied
    plan = service.plan_revert(found)
    form = KeyedForm(request.POST if request.method == "POST" else None, auto_id=AUTO_ID)
    if form.is_bound and form.is_valid():
        page = reverse("admin:audit_entry_change", args=[found.pk])
        done = submit_revert(request, form, service, found, several=len(plan.actions) > 1, page=page)
        if done is not None:
            return done
        plan = service.plan_revert(found)  # the check may have stored the current state
    row = row_of(found)
    now = row.audit_snapshot() if row is not None and not row.gone_at else None
    context = {
        "title": f"Undo on {visible(found.object_name)}",
        "entry": found,
        "form": form,
        "way": plan,
        "settings": differences(found.before, found.after, now),
        "busy": _busy(found),
    }
    return render_page(request, "history/undo.html", context)


def undo_context(request: HttpRequest, found: Entry) -> dict[str, Any]:
    """Template context for an entry's page: whether it can be undone, and its previous undos."""
    undone = Operation.objects.filter(undoes=found).order_by("id")
    may = _may_have_undo(found) and request.user.has_perms(required_permissions(found))
    plan = service.plan_revert(found) if service.is_own_change(found) else RevertPlan()
    return {
        "undone": undone,
        "may_undo": may and not plan.why_not and bool(plan.actions),
        # a failed undo does not hide the reason
        "no_undo": "" if undone and service.undone_by(found) else plan.why_not,
        "undoes": _undoes(found),
        "changes": _changes_of(found),
    }


def _may_have_undo(found: Entry) -> bool:
    return service.is_own_change(found) and found.verb == "changed"


def _undoes(found: Entry) -> int | None:
    """The entry that the operation behind this entry undoes."""
    if found.cause != Entry.Cause.OPERATION or not found.cause_id.isdecimal():
        return None
    return Operation.objects.filter(pk=found.cause_id).values_list("undoes_id", flat=True).first()


def _changes_of(found: Entry) -> list[Entry]:
    """For an entry about an operation: the entries of the changes it made, each of which may be undone."""
    if not found.kind.startswith("operation.") or not found.object_id:
        return []
    same = {"object_type": found.object_type, "object_id": found.object_id, "cause": found.cause}
    changes = Entry.objects.filter(**same, cause_id=found.cause_id).exclude(kind__startswith="operation.")
    return list(changes.order_by("pk")[:5])


def _busy(found: Entry) -> Operation | None:
    resource = f"{found.object_type}:{found.object_id}"
    return Operation.objects.filter(resource=resource, state__in=OPEN_STATES).first()
