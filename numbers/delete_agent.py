"""The page that deletes an agent after moving or unassigning its numbers."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents.actions import DeleteAgent
from agents.models import Agent
from agents.views import DIALOG_IDS
from controlplane.audit.unavailable import AuditUnavailable
from controlplane.enqueue import enqueue
from controlplane.operations import tasks
from controlplane.operations.errors import KeyReused
from controlplane.operations.execute import execute
from controlplane.operations.form_flow import action_context, add_refusal, flash_result, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.pages import redirect_page, render_page
from numbers import agent_picker, services
from numbers.actions import AssignNumber
from numbers.forms import DeleteAgentForm

MAX_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(DeleteAgent.permission, raise_exception=True)
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
    return render_page(request, "numbers/delete_agent.html", context)


def _delete(request: HttpRequest, agent: Agent, form: KeyedForm) -> HttpResponse | None:
    op = submit(form, lambda: execute(DeleteAgent.of(agent), action_context(request, form)))
    if op is None:
        return None
    flash_result(request, op)
    return redirect_page(request, url_of(op) if op.is_open else reverse("admin:agents_agent_changelist"))


def _delete_with_numbers(request: HttpRequest, agent: Agent, form: DeleteAgentForm) -> HttpResponse | None:
    if not request.user.has_perm(AssignNumber.permission):
        raise PermissionDenied
    replacement = form.cleaned_data["agent"] if form.cleaned_data["deed"] == DeleteAgentForm.MOVE else None
    try:
        change_set = services.delete_agent_with_numbers(agent, replacement, action_context(request, form))
    except (KeyReused, AuditUnavailable) as refusal:
        add_refusal(form, refusal)
        return None
    enqueue(tasks.run_change_sets)
    return redirect_page(request, url_of(change_set))
