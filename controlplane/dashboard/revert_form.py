"""The form that reverts a change, by one operation or a change set."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from controlplane.audit.unavailable import AuditUnavailable
from controlplane.mirror import outside
from controlplane.operations import tasks
from controlplane.operations.enqueue import enqueue
from controlplane.operations.form_flow import action_kwargs, add_refusal, flash_result, htmx_redirect, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.operations.journal import KeyReused
from numbers.revert_plan import NotRevertible

AUTO_ID = "dialog_%s"  # the form may be shown above a page that has a reason field, too


def submit_revert(
    request: HttpRequest, form: KeyedForm, service: Any, target: Any, *, several: bool, page: str
) -> HttpResponse | None:
    """The response to return; None if the form shows why nothing was sent. `service` is `numbers.revert` or
    `numbers.undo`."""
    kwargs = action_kwargs(request, form)
    try:
        if several:
            change_set = service.plan_change_set(target, **kwargs)
            enqueue(tasks.run_change_sets)
            return htmx_redirect(request, url_of(change_set))
        op = submit(form, partial(service.execute, target, **kwargs))
    except (NotRevertible, outside.Decided, KeyReused, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    if op is None:
        return None
    flash_result(request, op)
    return htmx_redirect(request, url_of(op) if op.is_open else page)
