"""The command palette: finds an agent by name or id, a number by digits or label."""

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from agents.models import Agent
from controlplane.lookups import MAX_SEARCH_CHARS
from numbers.models import PhoneNumber
from numbers.search import matching

MAX_RESULTS = 10


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    found: list[SearchResult] = []
    if len(term) > MAX_SEARCH_CHARS:
        return found
    if request.user.has_perm("agents.view_agent"):
        agents = Agent.objects.filter(name__icontains=term) | Agent.objects.filter(remote_id__icontains=term)
        for agent in agents.only("pk", "name", "remote_id", "gone_at", "archived")[:MAX_RESULTS]:
            found.append(_result(str(agent), f"agent, {agent.state}", "agents_agent", agent.pk, "support_agent"))
    if request.user.has_perm("numbers.view_phonenumber"):
        numbers = (
            matching(PhoneNumber.objects.all(), term)
            .select_related("agent")
            .with_state()
            .defer("remote_data", "agent__remote_data")
        )
        for number in numbers[:MAX_RESULTS]:
            words = f"number, {number.state.label.lower()}" + (f", {number.agent}" if number.agent else "")
            found.append(_result(number.display_name(), words, "numbers_phonenumber", number.pk, "call"))
    return found


def _result(title: str, description: str, page: str, pk: int, icon: str) -> SearchResult:
    return SearchResult(
        title=title, description=description, link=reverse(f"admin:{page}_change", args=[pk]), icon=icon
    )
