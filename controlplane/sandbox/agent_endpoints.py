"""Endpoints of agents: `/v1/convai/agents`."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from . import agents, paging, workflow
from .conversation_config import ConversationConfig
from .errors import Refusal, document_not_found
from .messages import Answer, Json
from .platform_settings import PlatformSettings
from .state import Call

ME = frozenset({"@me", "user_sandbox"})


class AgentsQuery(BaseModel):
    page_size: Annotated[int, Field(ge=1, le=100)] = 30
    search: str | None = None
    archived: bool | None = False
    show_only_owned_agents: bool = False
    created_by_user_id: str | None = None
    tags: list[str] | None = None
    sort_by: Literal["name", "created_at", "updated_at", "call_count_7d"] | None = None
    sort_direction: Literal["asc", "desc"] = "desc"
    cursor: str | None = None


class SummariesQuery(BaseModel):
    agent_ids: Annotated[list[str], Field(max_length=100)]


class AgentQuery(BaseModel):
    version_id: str | None = None
    branch_id: str | None = None


class CreateBody(BaseModel):
    """Fully typed, unlike a PATCH: an invalid value is a 422 here and a 400 there."""

    conversation_config: ConversationConfig
    platform_settings: PlatformSettings | None = None
    workflow: Json | None = None
    name: str | None = None
    tags: list[str] | None = None


class DuplicateBody(BaseModel):
    name: str | None = None


CREATE = TypeAdapter(CreateBody)
PATCH = TypeAdapter(agents.Changes)
DUPLICATE = TypeAdapter(DuplicateBody)
# The sandbox receives no phone calls, so sorting by calls means the order of creation.
SORTED_BY = {None: "created_at", "created_at": "created_at", "updated_at": "updated_at", "name": "name_key"}


def create(call: Call) -> Answer:
    body: CreateBody = call.body
    if body.workflow is not None:
        workflow.refuse_untyped(call.world.settings, body.workflow)
    changes = agents.Changes.model_validate(body.model_dump(mode="json", exclude_unset=True))
    return Answer({"agent_id": agents.create(call.state, call.cause, changes)})


def list_page(call: Call) -> Answer:
    query: AgentsQuery = call.query
    where: list[tuple[str, object]] = [("archived = ?", bool(query.archived))]
    if query.search is not None:
        where.append(("instr(name_key, ?) > 0", query.search.casefold()))
    if query.created_by_user_id is not None:
        where.append(("?", query.created_by_user_id in ME))
    if query.tags:
        where.append(
            (
                "EXISTS (SELECT 1 FROM json_each(tags) AS tag JOIN json_each(?) AS wanted USING (value))",
                json.dumps(query.tags),
            )
        )
    page = paging.read(
        call.state,
        "agents",
        where=where,
        order=paging.Order(SORTED_BY.get(query.sort_by, "created_at"), query.sort_direction == "desc"),
        size=query.page_size,
        cursor=query.cursor,
        by_offset=call.world.settings.paging == "offset",
    )
    return Answer(
        {
            "agents": [agents.summary(row) for row in page.rows],
            "next_cursor": page.next_cursor,
            "has_more": page.next_cursor is not None,
        }
    )


def summaries(call: Call) -> Answer:
    query: SummariesQuery = call.query
    return Answer({agent_id: summary_or_failure(call, agent_id) for agent_id in query.agent_ids})


def summary_or_failure(call: Call, agent_id: str) -> Json:
    try:
        return {"status": "success", "data": agents.summary(agents.find(call.state, agent_id))}
    except Refusal as refusal:
        return {
            "status": "failure",
            "error_code": refusal.http,
            "error_status": refusal.detail["status"],
            "error_message": refusal.detail["message"],
        }


def get(call: Call) -> Answer:
    query: AgentQuery = call.query
    row = agents.find(call.state, call.ids[0])
    for column in ("version_id", "branch_id"):
        requested = getattr(query, column)
        if requested is not None and requested != row[column]:  # only the tip of Main is stored (assumption 20)
            raise document_not_found(requested)
    return Answer(agents.shown(call.world, row))


def patch(call: Call) -> Answer:
    if "workflow" in call.body.model_fields_set:
        workflow.refuse_untyped(call.world.settings, call.body.workflow)
    agents.patch(call.state, call.cause, call.ids[0], call.body)
    return get(call)


def delete(call: Call) -> Answer:
    agents.delete(call.world, call.cause, call.ids[0])
    return Answer(raw=b"")


def duplicate(call: Call) -> Answer:
    body: DuplicateBody = call.body
    return Answer({"agent_id": agents.duplicate(call.state, call.cause, call.ids[0], body.name)})


def link(call: Call) -> Answer:
    agents.find(call.state, call.ids[0])
    return Answer({"agent_id": call.ids[0], "token": None})
