"""API endpoints of agents, except deletion, which is in `numbers/api.py` because it moves the agent's numbers."""

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from agents import filters
from agents.actions import ArchiveAgent, CreateAgent, DuplicateAgent, UpdateAgent
from agents.api_schemas import ChangedAgent, NewAgent, NewName, flat_settings, values_of
from agents.fields import DEFAULTS, PATHS, label_of, values_from
from agents.forms import digest
from agents.models import SETTINGS, Agent
from agents.validators import setting_error, voice_model_error
from controlplane.api.auth import requires
from controlplane.api.idempotency import execute_idempotently
from controlplane.api.operations import OperationOut
from controlplane.api.paging import Cursor, Limit, Page, page
from controlplane.api.problems import Problem, invalid
from controlplane.api.schemas import IdInPath, Key, Text, WithJustification
from controlplane.elevenlabs import is_id
from controlplane.mirror.json_paths import get, nest

router = Router(tags=["Agents"])
WRITE = {200: OperationOut, 202: OperationOut}


class AgentOut(Schema):
    id: str = Field(description="ElevenLabs' id")
    name: str
    state: Literal["active", "archived", "gone"]
    tags: list[str]
    voice_id: str
    language: str
    llm: str
    number_count: int = Field(description="Numbers that it answers")
    last_call_at: datetime | None
    created_at: datetime | None


class AgentWhole(AgentOut):
    version: str = Field(description="Of the settings; send it as `expected_version` to change just these")
    fields: dict[str, Any] = Field(description="The settings that have a name of their own here")
    settings: dict[str, Any] = Field(description="All settings, as ElevenLabs has them")


class AgentFilters(Schema):
    state: Literal["active", "archived", "gone", "all"] = "active"
    language: Text = Field("", max_length=40)
    llm: Text = Field("", max_length=120)
    tag: Text = Field("", max_length=300)
    numbers: Literal["", "some", "none"] = ""
    outside: Literal["", "open"] = Field("", description="`open`: changed outside this app, and not decided yet")
    q: Text = Field("", max_length=200, description="Words of the name, the id or a tag")


@router.get("/agents", summary="List agents", response=Page[AgentOut], auth=requires("agents.view_agent"))
def agents(request: HttpRequest, chosen: Query[AgentFilters], limit: Limit, cursor: Cursor) -> Any:
    """In the order of their names."""
    rows = filters.in_state(Agent.objects.defer("remote_data"), chosen.state)
    rows = filters.with_value(filters.with_value(rows, "language", chosen.language), "llm", chosen.llm)
    rows = filters.with_numbers(filters.with_tag(rows, chosen.tag), chosen.numbers)
    rows = filters.changed_outside(rows, chosen.outside)
    if chosen.q.strip():
        rows = filters.matching(rows, chosen.q)
    found, following = page(rows, "name", name="agents", narrowed=chosen, limit=limit, cursor=cursor)
    counts = _number_counts([agent.pk for agent in found])
    return {"items": [{**_plain(agent), "number_count": counts[agent.pk]} for agent in found], "next": following}


@router.get("/agents/{agent_id}", summary="Get an agent", response=AgentWhole, auth=requires("agents.view_agent"))
def agent(request: HttpRequest, agent_id: IdInPath) -> Any:
    """One agent, whole: also one that is archived or gone."""
    found = get_agent_or_404(agent_id)
    return {
        **_plain(found),
        "number_count": _number_counts([found.pk])[found.pk],
        "version": digest(found),
        "fields": values_from(found.remote_data),
        "settings": {part: found.remote_data[part] for part in SETTINGS if part in found.remote_data},
    }


@router.post(
    "/agents",
    summary="Create an agent",
    response={201: OperationOut, 202: OperationOut},
    auth=requires(CreateAgent.permission),
)
def create_agent(request: HttpRequest, response: HttpResponse, key: Key, body: NewAgent) -> Any:
    """Create an agent: `object_id` of the answer is its id. What is not named is as the page for it begins."""

    def action() -> CreateAgent:
        values = DEFAULTS | values_of(body)
        patched = _settings(body.settings)
        _check(values, values)
        rest = {PATHS[name]: value for name, value in values.items() if name != "name"}
        return CreateAgent.of(values["name"], nest(rest | patched))

    return execute_idempotently(request, response, key, body, action, success_status=201)


@router.patch("/agents/{agent_id}", summary="Change an agent", response=WRITE, auth=requires(UpdateAgent.permission))
def change_agent(request: HttpRequest, response: HttpResponse, agent_id: IdInPath, key: Key, body: ChangedAgent) -> Any:
    """Change what is named; the rest stays. Not sent if the agent is not as this app knows it (or, with
    `expected_version`, as you do)."""
    found = get_agent_or_404(agent_id)

    def action() -> UpdateAgent:
        _refuse_unchangeable(found)
        if body.expected_version not in (None, digest(found)):
            raise Problem(409, "changed-meanwhile", f"Not sent. {found} was changed meanwhile: read it again.")
        stored = values_from(found.remote_data)
        values = values_of(body)
        patched = _settings(body.settings)
        _check(values, stored | values)
        requested = {PATHS[name]: value for name, value in values.items()} | patched
        if not requested:
            raise invalid([("", "Name at least one setting.")])
        return UpdateAgent.of(found, requested, shown={path: get(found.remote_data, path) for path in requested})

    return execute_idempotently(request, response, key, body, action)


@router.post(
    "/agents/{agent_id}/duplicate",
    summary="Duplicate an agent",
    response={201: OperationOut, 202: OperationOut},
    auth=requires(DuplicateAgent.permission),
)
def duplicate_agent(request: HttpRequest, response: HttpResponse, agent_id: IdInPath, key: Key, body: NewName) -> Any:
    """Create a copy with another name and without numbers: `object_id` of the answer is its id."""
    found = get_agent_or_404(agent_id)

    def action() -> DuplicateAgent:
        _refuse_deleted(found)
        name = body.name.strip()
        _check({"name": name}, {})
        return DuplicateAgent.of(found, name=name)

    return execute_idempotently(request, response, key, body, action, success_status=201)


@router.post(
    "/agents/{agent_id}/archive", summary="Archive an agent", response=WRITE, auth=requires(ArchiveAgent.permission)
)
def archive_agent(
    request: HttpRequest, response: HttpResponse, agent_id: IdInPath, key: Key, body: WithJustification
) -> Any:
    """Archive an agent. It stays at ElevenLabs and can be restored; numbers that it answers stay assigned to it."""
    return _archive(request, response, agent_id, key, body, archived=True)


@router.post(
    "/agents/{agent_id}/restore", summary="Restore an agent", response=WRITE, auth=requires(ArchiveAgent.permission)
)
def restore_agent(
    request: HttpRequest, response: HttpResponse, agent_id: IdInPath, key: Key, body: WithJustification
) -> Any:
    """Bring an archived agent back."""
    return _archive(request, response, agent_id, key, body, archived=False)


def _archive(
    request: HttpRequest, response: HttpResponse, agent_id: str, key: str, body: WithJustification, *, archived: bool
) -> Any:
    found = get_agent_or_404(agent_id)

    def action() -> ArchiveAgent:
        _refuse_deleted(found)
        return ArchiveAgent.of(found, archived)

    return execute_idempotently(request, response, key, body, action)


def get_agent_or_404(agent_id: str) -> Agent:
    found = Agent.objects.filter(remote_id=agent_id).first() if is_id(agent_id) else None
    if found is None:
        raise Http404
    return found


def _refuse_deleted(agent: Agent) -> None:
    if agent.gone_at:
        raise Problem(409, "gone", f"Not sent. {agent} is gone at ElevenLabs.")


def _refuse_unchangeable(agent: Agent) -> None:
    _refuse_deleted(agent)
    if not agent.remote_data:
        raise Problem(
            409, "not-known", f"Not sent. The settings of {agent} are not known yet: a sync has to read them first."
        )


def _settings(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return flat_settings(value)
    except ValidationError as error:
        raise invalid([("settings", message) for message in error.messages]) from None


def _check(changed: dict[str, Any], whole: dict[str, Any]) -> None:
    """`whole` has all settings as they would be after the change. Raises a 422 Problem."""
    errors = [
        (name, message) for name, value in changed.items() if (message := setting_error(name, value, label_of(name)))
    ]
    if message := voice_model_error(whole, changed):
        errors.append(("model_id", message))
    if errors:
        raise invalid(errors)


def _plain(agent: Agent) -> dict[str, Any]:
    copied = ("name", "state", "voice_id", "language", "llm", "last_call_at")
    return {
        **{name: getattr(agent, name) for name in copied},
        "id": agent.remote_id,
        "tags": [str(tag) for tag in agent.tags],
        "created_at": agent.created_remotely_at,
    }


def _number_counts(keys: list[int]) -> dict[int, int]:
    count = Count("numbers", filter=Q(numbers__gone_at=None))
    return dict(Agent.objects.filter(pk__in=keys).order_by().annotate(count=count).values_list("pk", "count"))
