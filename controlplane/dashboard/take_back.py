"""The form that takes a change back, by one operation or by a change set: of outside changes, and of our own."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse

from controlplane.audit.recorded import NotRecorded
from controlplane.mirror import outside
from controlplane.operations import tasks
from controlplane.operations.forms import KeyedForm
from controlplane.operations.journal import KeyReused
from controlplane.operations.pages import asked, attempt, go_to, refuse, tell, url_of
from controlplane.operations.wake import wake
from numbers.back import NoWayBack

AUTO_ID = "dialog_%s"  # the form may be shown above a page that asks why, too


def take_back(
    request: HttpRequest, form: KeyedForm, service: Any, thing: Any, *, several: bool, page: str
) -> HttpResponse | None:
    """Where to go then; None: the form says why nothing was sent. `service` is `numbers.revert` or `numbers.undo`."""
    ask = asked(request, form)
    try:
        if several:
            change_set = service.plan(thing, **ask)
            wake(tasks.run_change_sets)
            return go_to(request, url_of(change_set))
        op = attempt(form, partial(service.carry_out, thing, **ask))
    except (NoWayBack, outside.Decided, KeyReused, NotRecorded) as refusal:
        refuse(form, refusal)
        return None
    if op is None:
        return None
    tell(request, op)
    return go_to(request, url_of(op) if op.is_open else page)
