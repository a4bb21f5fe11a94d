"""Submits a form as a write and shows its result."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from controlplane.audit.justification import ReasonRequired
from controlplane.audit.models import Entry
from controlplane.audit.unavailable import AuditUnavailable
from controlplane.operations.forms import KeyedForm
from controlplane.operations.journal import Expired, KeyReused, ResourceLocked
from controlplane.operations.models import ChangeSet, Operation, State


def current_staff(request: HttpRequest) -> User:
    """Who asks. Every page here is behind a permission, so nobody anonymous gets this far."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def action_kwargs(request: HttpRequest, form: KeyedForm) -> dict[str, Any]:
    """What every service is told of a form: its key, who asks, and why."""
    return {"key": form.operation_key, "actor": current_staff(request), "justification": form.justification}


def is_dialog(request: HttpRequest) -> bool:
    """Asked for by the dialog of a page (htmx), not by the address bar: only the form itself is wanted."""
    return request.headers.get("HX-Request") == "true"


def render_form(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page with a form: whole, or as the inside of a dialog. Both are the same template on two frames."""
    frame = "controlplane/dialog.html" if is_dialog(request) else "controlplane/page.html"
    form = context.get("form")
    if isinstance(form, KeyedForm) and form.audit_unavailable:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return TemplateResponse(request, template, {**context, "frame": frame}, status=status)


def htmx_redirect(request: HttpRequest, url: str) -> HttpResponse:
    """Leave the form for a page, from the dialog too."""
    if is_dialog(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def submit(form: KeyedForm, ask: Callable[[], Operation]) -> Operation | None:
    """Run `ask`. A form whose wish was not fulfilled gets the reason as an error and a new key; None then.

    An unconfirmed operation is no error of the form: asking again would be a second write.
    """
    try:
        op = ask()
    except (ResourceLocked, KeyReused, Expired, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    except ReasonRequired as missing:
        for field, words in missing.problems.items():
            _add_error(form, field, words)
        return None
    if op.state in (State.DONE, State.SENT, State.INTENT):
        return op
    _add_error(form, field_of(form, op), op.message)
    return None


def field_of(form: Form, op: Operation) -> str | None:
    """The form's field that a check or the remote complained about."""
    return next((name for path in op.error_fields for name in reversed(path.split(".")) if name in form.fields), None)


def add_refusal(form: KeyedForm, refusal: Exception) -> None:
    """Show the form again with the reason why nothing was sent."""
    form.audit_unavailable = isinstance(refusal, AuditUnavailable)
    _add_error(form, None, str(refusal) or "Not sent. It took too long to check; try again.")


def _add_error(form: KeyedForm, field: str | None, message: str) -> None:
    form.add_error(field, message)
    form.with_new_key()


def flash_result(request: HttpRequest, op: Operation) -> None:
    """Say what became of an operation, with a link to it. Nothing while it is open: then its own page comes next,
    which says it itself and keeps up with it."""
    if op.is_open:
        return
    level = messages.SUCCESS if op.state == State.DONE else messages.ERROR
    link = format_html('{} <a class="cp-link" href="{}">Details</a>', op.message, url_of(op))
    if request.user.has_perm("audit.view_entry") and (change := change_of(op)) is not None:
        undo = reverse("admin:audit_entry_undo", args=[change.pk])
        link = format_html('{} <a class="cp-link" href="{}">Undo</a>', link, undo)
    messages.add_message(request, level, link)


def change_of(op: Operation) -> Entry | None:
    """The history entry of what it changed on a thing that was there before and still is: that can be undone."""
    same = {"object_type": op.object_type, "object_id": op.object_id, "kind": f"{op.object_type}.changed"}
    changes = Entry.objects.filter(**same, cause=Entry.Cause.OPERATION, cause_id=str(op.pk))
    return changes.order_by("pk").first() if op.object_id else None


def url_of(op: Operation | ChangeSet) -> str:
    return reverse(f"admin:operations_{op._meta.model_name}_change", args=[op.pk])
