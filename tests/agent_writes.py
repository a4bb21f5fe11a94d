"""Writes on agents, as staff request them: each executes one action."""

from typing import Any

from agents.actions import ArchiveAgent, CreateAgent, DeleteAgent, DuplicateAgent, UpdateAgent
from agents.models import Agent
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import Operation


def create(*, name: str, body: dict[str, Any], **context: Any) -> Operation:
    return execute(CreateAgent.of(name, body), ActionContext(**context))


def update(agent: Agent, *, values: dict[str, Any], shown: dict[str, Any], **context: Any) -> Operation:
    return execute(UpdateAgent.of(agent, values, shown=shown), ActionContext(**context))


def archive(agent: Agent, *, archived: bool, **context: Any) -> Operation:
    return execute(ArchiveAgent.of(agent, archived), ActionContext(**context))


def duplicate(agent: Agent, *, name: str, **context: Any) -> Operation:
    return execute(DuplicateAgent.of(agent, name=name), ActionContext(**context))


def delete(agent: Agent, **context: Any) -> Operation:
    return execute(DeleteAgent.of(agent), ActionContext(**context))
