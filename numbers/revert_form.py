"""The form that reverts a change, by one operation or a change set."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from controlplane.audit.unavailable import AuditUnavailable
from controlplane.enqueue import enqueue
from controlplane.operations import external_changes, tasks
from controlplane.operations.errors import KeyReused
from controlplane.operations.form_flow import action_context, add_refusal, flash_result, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.pages import redirect_page
from numbers.revert_plan import NotRevertible

AUTO_ID = "dialog_%s"  # the form may be shown above a page that has a reason field, too


def submit_revert(
    request: HttpRequest, form: KeyedForm, service: Any, target: Any, *, several: bool, page: str
) -> HttpResponse | None:
    """The response to return; None if the form shows why nothing was sent. `service` is `numbers.revert` or
    `numbers.undo`."""
    context = action_context(request, form)
    try:
        if several:
            change_set = service.plan_change_set(target, context)
            enqueue(tasks.run_change_sets)
            return redirect_page(request, url_of(change_set))
        op = submit(form, partial(service.execute, target, context))
    except (NotRevertible, external_changes.Decided, KeyReused, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    if op is None:
        return None
    flash_result(request, op)
    return redirect_page(request, url_of(op) if op.is_open else page)
