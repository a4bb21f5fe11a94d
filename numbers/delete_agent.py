"""The page that deletes an agent after moving or unassigning its numbers."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents import services as agent_services
from agents.models import Agent
from agents.views import DIALOG_IDS
from controlplane.audit.unavailable import AuditUnavailable
from controlplane.operations import tasks
from controlplane.operations.enqueue import enqueue
from controlplane.operations.form_flow import (
    action_kwargs,
    add_refusal,
    flash_result,
    htmx_redirect,
    render_form,
    submit,
    url_of,
)
from controlplane.operations.forms import KeyedForm
from controlplane.operations.journal import KeyReused
from numbers import agent_picker, services
from numbers.forms import DeleteAgentForm
from numbers.views import page_context

MAX_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("agents.delete_agent", raise_exception=True)
def delete_agent(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what will happen. POST deletes an agent without numbers, or plans a change set for one with numbers."""
    agent = get_object_or_404(Agent.objects.defer("remote_data"), pk=pk)
    numbers = agent.numbers.filter(gone_at=None).order_by("phone_number")
    count = numbers.count()
    data = request.POST if request.method == "POST" else None
    form = DeleteAgentForm(data, leaving=agent, auto_id=DIALOG_IDS) if count else KeyedForm(data, auto_id=DIALOG_IDS)
    if form.is_bound and form.is_valid():
        response = (
            _delete_with_numbers(request, agent, form)
            if isinstance(form, DeleteAgentForm)
            else _delete(request, agent, form)
        )
        if response is not None:
            return response
    context = {
        "form": form,
        "agent": agent,
        "numbers": numbers[:MAX_SHOWN],
        "count": count,
        "more": max(0, count - MAX_SHOWN),
        "title": f"Delete {agent}",
        **agent_picker.picker_context(request, form, leaving=agent),
    }
    return render_form(
        request, "numbers/delete_agent.html", page_context(request, context), status=422 if form.errors else 200
    )


def _delete(request: HttpRequest, agent: Agent, form: KeyedForm) -> HttpResponse | None:
    op = submit(form, lambda: agent_services.delete(agent, **action_kwargs(request, form)))
    if op is None:
        return None
    flash_result(request, op)
    return htmx_redirect(request, url_of(op) if op.is_open else reverse("admin:agents_agent_changelist"))


def _delete_with_numbers(request: HttpRequest, agent: Agent, form: DeleteAgentForm) -> HttpResponse | None:
    if not request.user.has_perm("numbers.assign_phonenumber"):
        raise PermissionDenied
    successor = form.cleaned_data["agent"] if form.cleaned_data["deed"] == DeleteAgentForm.MOVE else None
    try:
        change_set = services.delete_agent_with_numbers(agent, successor, **action_kwargs(request, form))
    except (KeyReused, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    enqueue(tasks.run_change_sets)
    return htmx_redirect(request, url_of(change_set))
