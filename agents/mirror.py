"""Turns ElevenLabs' JSON of an agent into its row."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import AgentSummary, BadShape, unstorable
from controlplane.mirror import upsert
from controlplane.mirror.json_paths import get
from controlplane.mirror.readings import Reading

ARCHIVED = "platform_settings.archived"


def is_current(agent: RemoteAgent) -> bool:
    """Whether the row has this JSON."""
    rows = Agent.objects.filter(remote_id=agent.agent_id, missing_since=None, gone_at=None)
    return rows.filter(digest=upsert.digest(agent.raw) or None).exists()


@transaction.atomic(savepoint=False)
def upsert_row(agent: RemoteAgent, cause: Cause, reading: Reading | None = None) -> bool:
    """Store the response to a GET of one agent. Raises BadShape for data that no database can store."""
    if reason := unstorable(agent.raw):
        raise BadShape(f"An agent cannot be kept: {reason}.")
    return upsert.save(upsert.row_of(Agent, agent.agent_id), row_values(agent), cause=cause, reading=reading)


def row_values(agent: RemoteAgent, summary: AgentSummary | None = None) -> dict[str, Any]:
    """{field: value} for the agent's row; `summary` is its entry in the listing, if that was read too."""
    data = agent.raw
    values: dict[str, Any] = {
        "name": agent.name or "",
        "tags": list(agent.tags or []),
        "archived": bool(get(data, ARCHIVED)),
        "voice_id": _text(data, "conversation_config.tts.voice_id"),
        "language": _text(data, "conversation_config.agent.language"),
        "llm": _text(data, "conversation_config.agent.prompt.llm"),
        "created_remotely_at": from_unix(get(data, "metadata.created_at_unix_secs")),
        "details_as_of": get(data, "metadata.updated_at_unix_secs"),
        "remote_data": data,
        "missing_since": None,
        "gone_at": None,
    }
    return values | summary_row_values(summary) if summary is not None else values


@transaction.atomic(savepoint=False)
def upsert_name(object_id: str, name: str, cause: Cause, reading: Reading | None = None) -> bool:
    """Store an agent whose id and name alone are known so far; the next sync adds the rest."""
    row = upsert.row_of(Agent, object_id)
    return upsert.save(row, {"name": name, "missing_since": None, "gone_at": None}, cause=cause, reading=reading)


def mark_gone_with_name(object_id: str, name: str, cause: Cause) -> bool:
    """Store a deleted agent to which a number still points, so that the number is recognized as an orphan."""
    now = timezone.now()
    row_values = {"name": name[:300], "missing_since": now, "gone_at": now}
    return upsert.save(Agent(remote_id=object_id), row_values, cause=cause)


def mark_missing(object_id: str) -> None:
    """Record that a GET answered 404. Lists show it from now on; syncs decide whether the agent is deleted.

    No history entry is written. Rows already marked as deleted are updated too: `missing_since` is not set on an
    agent that was deleted by an operation.
    """
    Agent.objects.filter(remote_id=object_id, missing_since=None).update(missing_since=timezone.now())


@transaction.atomic(savepoint=False)
def mark_gone(object_id: str, cause: Cause) -> bool:
    return upsert.mark_gone(upsert.row_of(Agent, object_id), {}, cause=cause)


def summary_row_values(summary: AgentSummary) -> dict[str, Any]:
    """Values that come from the listing. It has the time of the last change, too: see `Agent.details_as_of`."""
    return {
        "last_call_at": from_unix(summary.last_call_time_unix_secs),
        "details_as_of": getattr(summary, "updated_at_unix_secs", None),
    }


def from_unix(seconds: Any) -> datetime | None:
    """Converts a Unix timestamp. Returns None if it is absent or out of range."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _text(data: dict[str, Any], path: str) -> str:
    """The value for the column named after the last step of `path`, truncated to its length. The column is only used
    to find agents; `remote_data` has the full value."""
    value, column = get(data, path), Agent._meta.get_field(path.rpartition(".")[2])
    return value[: getattr(column, "max_length", None)] if isinstance(value, str) else ""
