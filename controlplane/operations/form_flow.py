"""Submits a form as a write and shows its result."""

from collections.abc import Callable
from http import HTTPStatus

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from controlplane.audit.justification import ReasonRequired
from controlplane.audit.models import Entry
from controlplane.audit.unavailable import AuditUnavailable
from controlplane.operations.errors import Expired, KeyReused, ResourceLocked
from controlplane.operations.execute import ActionContext
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.pages import current_staff


def action_context(request: HttpRequest, form: KeyedForm) -> ActionContext:
    return ActionContext(key=form.operation_key, actor=current_staff(request), justification=form.justification)


def submit(form: KeyedForm, ask: Callable[[], Operation]) -> Operation | None:
    """Run `ask` and return its operation. If it failed, add the reason and a new key to the form and return None.

    An unconfirmed operation is not an error of the form: submitting it again would be a second write.
    """
    try:
        op = ask()
    except (ResourceLocked, KeyReused, Expired, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    except ReasonRequired as error:
        for field, message in error.problems.items():
            _add_error(form, field, message)
        return None
    if op.state in (State.DONE, State.SENT, State.INTENT):
        return op
    _add_error(form, field_of(form, op), op.message)
    return None


def field_of(form: Form, op: Operation) -> str | None:
    """The form field that a precheck or the remote rejected: the last step of the error's path that is a field."""
    return next((name for path in op.error_fields for name in reversed(path.split(".")) if name in form.fields), None)


def add_refusal(form: KeyedForm, refusal: Exception) -> None:
    """Add the reason why nothing was sent to the form that is shown again."""
    if isinstance(refusal, AuditUnavailable):
        form.error_status = HTTPStatus.SERVICE_UNAVAILABLE
    _add_error(form, None, str(refusal) or "Not sent. It took too long to check; try again.")


def _add_error(form: KeyedForm, field: str | None, message: str) -> None:
    form.add_error(field, message)
    form.with_new_key()


def flash_result(request: HttpRequest, op: Operation) -> None:
    """Add a message with the result of an operation and a link to it.

    Does nothing while it is open: the user is then redirected to the operation's page, which shows its state.
    """
    if op.is_open:
        return
    level = messages.SUCCESS if op.state == State.DONE else messages.ERROR
    link = format_html('{} <a class="cp-link" href="{}">Details</a>', op.message, url_of(op))
    if request.user.has_perm("audit.view_entry") and (change := change_of(op)) is not None:
        undo = reverse("admin:audit_entry_undo", args=[change.pk])
        link = format_html('{} <a class="cp-link" href="{}">Undo</a>', link, undo)
    messages.add_message(request, level, link)


def change_of(op: Operation) -> Entry | None:
    """The history entry of a change to an existing object. Such a change can be undone, unlike adding or deleting."""
    about = {"object_type": op.object_type, "object_id": op.object_id, "kind": f"{op.object_type}.changed"}
    changes = Entry.objects.filter(**about, cause=Entry.Cause.OPERATION, cause_id=str(op.pk))
    return changes.order_by("pk").first() if op.object_id else None


def url_of(op: Operation | ChangeSet) -> str:
    return reverse(f"admin:operations_{op._meta.model_name}_change", args=[op.pk])
