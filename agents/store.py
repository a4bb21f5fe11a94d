"""How the remote's JSON of an agent becomes a row."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import AgentSummary, BadShape, unstorable
from controlplane.mirror import store
from controlplane.mirror.paths import get


def keep(data: dict[str, Any], cause: Cause, *, summary: AgentSummary | None = None) -> bool:
    """Store what GET answered for one agent; `summary` is its line in the listing, if one was read too.

    Raises BadShape for what no database keeps.
    """
    agent = RemoteAgent.parse(data)
    if why := unstorable(data):
        raise BadShape(f"An agent cannot be kept: {why}.")
    row = Agent.objects.filter(remote_id=agent.agent_id).first() or Agent(remote_id=agent.agent_id)
    values: dict[str, Any] = {
        "name": agent.name or "",
        "tags": list(agent.tags or []),
        "archived": bool(get(data, "platform_settings.archived")),
        "voice_id": _text(data, "conversation_config.tts.voice_id"),
        "language": _text(data, "conversation_config.agent.language"),
        "llm": _text(data, "conversation_config.agent.prompt.llm"),
        "created_remotely_at": moment(get(data, "metadata.created_at_unix_secs")),
        "details_as_of": get(data, "metadata.updated_at_unix_secs"),
        "remote_data": data,
        "missing_since": None,
        "gone_at": None,
    }
    if summary is not None:
        values |= summary_values(summary)
        values["archived"] = bool(get(data, "platform_settings.archived"))
    return store.save(row, values, cause=cause)


def keep_name(object_id: str, name: str, cause: Cause) -> bool:
    """Store an agent of which only id and name are known yet; the next sync brings the rest."""
    row = Agent.objects.filter(remote_id=object_id).first() or Agent(remote_id=object_id)
    return store.save(row, {"name": name, "missing_since": None, "gone_at": None}, cause=cause)


def keep_tombstone(object_id: str, name: str, cause: Cause) -> bool:
    """Store an agent that a number points to and that is gone, so that the number is known as an orphan."""
    return store.save(Agent(remote_id=object_id), {"name": name[:300], "gone_at": timezone.now()}, cause=cause)


def missing(object_id: str) -> None:
    """A GET found nothing. Lists say so from now on; whether it is gone is decided by syncs. Nothing to tell."""
    Agent.objects.filter(remote_id=object_id, gone_at=None, missing_since=None).update(missing_since=timezone.now())


def bury(object_id: str, cause: Cause) -> bool:
    row = Agent.objects.filter(remote_id=object_id).first()
    return row is not None and store.bury(row, {}, cause=cause)


def summary_values(summary: AgentSummary) -> dict[str, Any]:
    """What the listing alone tells. Its time of change is told apart: see `Agent.details_as_of`."""
    return {
        "last_call_at": moment(summary.last_call_time_unix_secs),
        "details_as_of": getattr(summary, "updated_at_unix_secs", None),
    }


def moment(seconds: Any) -> datetime | None:
    """A Unix time of the remote; None where it is absent or no real date."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _text(data: dict[str, Any], path: str) -> str:
    value = get(data, path)
    return value if isinstance(value, str) else ""
