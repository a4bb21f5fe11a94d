"""The search box in which staff choose an agent; it filters on the server."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from agents.models import Agent
from controlplane.lookups import MAX_SEARCH_CHARS, parse_pk

MAX_OPTIONS = 50


def active_agents() -> QuerySet[Agent]:
    return Agent.objects.filter(gone_at=None, archived=False).defer("remote_data")


def picker_context(request: HttpRequest, form: Form | None = None, *, leaving: Agent | None = None) -> dict[str, Any]:
    """Context for `numbers/agent_choice.html`: the agents that match the search, and the chosen one.

    `leaving` is the agent that is being deleted; it is not offered.
    """
    data = form.data if form is not None and form.is_bound else request.GET
    typed = str(data.get("q", "")).strip()[:MAX_SEARCH_CHARS]
    chosen = parse_pk(str(form["agent"].value() or "")) if form is not None and "agent" in form.fields else None
    matches = active_agents()
    if leaving is not None:
        matches = matches.exclude(pk=leaving.pk)
    if typed:
        matches = matches.filter(Q(name__icontains=typed) | Q(remote_id__icontains=typed))
    agents = list(matches.order_by("name", "pk")[: MAX_OPTIONS + 1])
    if chosen and not typed and chosen not in [agent.pk for agent in agents]:
        agents = [*active_agents().filter(pk=chosen), *agents]
    return {
        "agents": agents[:MAX_OPTIONS],
        "more_agents": len(agents) > MAX_OPTIONS,
        "chosen": chosen,
        "q": typed,
    }


@require_GET
@permission_required("numbers.assign_phonenumber", raise_exception=True)
def options(request: HttpRequest) -> HttpResponse:
    """The options alone, for the select of an open form.

    Query parameters: `not` is the agent that is being deleted, `none` the label of an empty option.
    """
    leaving = Agent.objects.filter(pk=parse_pk(request.GET.get("not", "")) or 0).first()
    return render(
        request,
        "numbers/agent_options.html",
        {**picker_context(request, leaving=leaving), "none": request.GET.get("none", "")[:40]},
    )
