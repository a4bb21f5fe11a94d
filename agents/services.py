"""What staff can ask for on agents. Each becomes one operation; see `controlplane/operations/run.py`."""

from typing import Any

from django.contrib.auth.models import User

from agents import kinds
from agents.models import Agent
from controlplane.audit.why import UNSAID, Why
from controlplane.operations.models import Operation
from controlplane.operations.run import Beside, Wish, run

ARCHIVED = "platform_settings.archived"


def create(
    *,
    name: str,
    body: dict[str, Any],
    key: str,
    actor: User | None,
    why: Why = UNSAID,
    beside: Beside | None = None,
) -> Operation:
    """`body` is the rest of the remote's create request: tags, conversation_config, platform_settings."""
    wanted = {"name": name, "body": body}
    return run(Wish(kinds.CreateAgent, "", wanted, {"object": name}, why), key=key, actor=actor, beside=beside)


def update(
    agent: Agent,
    *,
    values: dict[str, Any],
    shown: dict[str, Any],
    key: str,
    actor: User | None,
    why: Why = UNSAID,
    beside: Beside | None = None,
) -> Operation:
    """`values` is {path: value} of what was changed, `shown` what the page showed at those paths."""
    return run(updating(agent, values, shown, why), key=key, actor=actor, beside=beside)


def updating(agent: Agent, values: dict[str, Any], shown: dict[str, Any], why: Why = UNSAID) -> Wish:
    return Wish(kinds.UpdateAgent, agent.remote_id, {"set": values, "shown": shown}, _names(agent), why)


def archive(
    agent: Agent, *, archived: bool, key: str, actor: User | None, why: Why = UNSAID, beside: Beside | None = None
) -> Operation:
    """Archive an agent, or restore it (`archived=False`)."""
    return run(archiving(agent, archived, why), key=key, actor=actor, beside=beside)


def archiving(agent: Agent, archived: bool, why: Why = UNSAID) -> Wish:
    wanted = {"set": {ARCHIVED: archived}, "shown": {ARCHIVED: not archived}}
    return Wish(kinds.ArchiveAgent, agent.remote_id, wanted, _names(agent), why)


def duplicate(
    agent: Agent, *, name: str, key: str, actor: User | None, why: Why = UNSAID, beside: Beside | None = None
) -> Operation:
    wanted = {"name": name, "source": agent.remote_id, "body": {}}
    names = {"object": name, "source": str(agent)}
    return run(Wish(kinds.DuplicateAgent, "", wanted, names, why), key=key, actor=actor, beside=beside)


def delete(agent: Agent, *, key: str, actor: User | None, why: Why = UNSAID, beside: Beside | None = None) -> Operation:
    """For an agent without numbers. One with numbers goes by `numbers.services.retire_agent`."""
    return run(deletion(agent, why), key=key, actor=actor, beside=beside)


def deletion(agent: Agent, why: Why = UNSAID) -> Wish:
    return Wish(kinds.DeleteAgent, agent.remote_id, {}, _names(agent), why)


def _names(agent: Agent) -> dict[str, str]:
    return {"object": str(agent)}
