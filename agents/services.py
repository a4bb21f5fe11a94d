"""Functions that request an action on an agent. Each creates one operation: see `controlplane/operations/run.py`."""

from typing import Any

from django.contrib.auth.models import User

from agents import actions
from agents.models import Agent
from controlplane.audit.justification import NO_JUSTIFICATION, Justification
from controlplane.operations.models import Operation
from controlplane.operations.run import ActionRequest, OnBegin, run

ARCHIVED = "platform_settings.archived"


def create(
    *,
    name: str,
    body: dict[str, Any],
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """`body` is the rest of ElevenLabs' create request: tags, conversation_config, platform_settings."""
    params = {"name": name, "body": body}
    return run(
        ActionRequest(actions.CreateAgent, "", params, {"object": name}, justification),
        key=key,
        actor=actor,
        on_begin=on_begin,
    )


def update(
    agent: Agent,
    *,
    values: dict[str, Any],
    shown: dict[str, Any],
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """`values` is {path: value} of what the user changed, `shown` has what the page showed at those paths."""
    return run(update_request(agent, values, shown, justification), key=key, actor=actor, on_begin=on_begin)


def update_request(
    agent: Agent, values: dict[str, Any], shown: dict[str, Any], justification: Justification = NO_JUSTIFICATION
) -> ActionRequest:
    return ActionRequest(
        actions.UpdateAgent, agent.remote_id, {"set": values, "shown": shown}, _names(agent), justification
    )


def archive(
    agent: Agent,
    *,
    archived: bool,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """Archive an agent, or restore it (`archived=False`)."""
    return run(archive_request(agent, archived, justification), key=key, actor=actor, on_begin=on_begin)


def archive_request(agent: Agent, archived: bool, justification: Justification = NO_JUSTIFICATION) -> ActionRequest:
    params = {"set": {ARCHIVED: archived}, "shown": {ARCHIVED: not archived}}
    return ActionRequest(actions.ArchiveAgent, agent.remote_id, params, _names(agent), justification)


def duplicate(
    agent: Agent,
    *,
    name: str,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    params = {"name": name, "source": agent.remote_id, "body": {}}
    names = {"object": name, "source": str(agent)}
    return run(
        ActionRequest(actions.DuplicateAgent, "", params, names, justification), key=key, actor=actor, on_begin=on_begin
    )


def delete(
    agent: Agent,
    *,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """For an agent without numbers. `numbers.services.delete_agent_with_numbers` deletes one that has some."""
    return run(delete_request(agent, justification), key=key, actor=actor, on_begin=on_begin)


def delete_request(agent: Agent, justification: Justification = NO_JUSTIFICATION) -> ActionRequest:
    return ActionRequest(actions.DeleteAgent, agent.remote_id, {}, _names(agent), justification)


def _names(agent: Agent) -> dict[str, str]:
    return {"object": str(agent)}
