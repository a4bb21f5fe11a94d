"""The base of actions on an agent, and what several of them use."""

from dataclasses import dataclass

from agents import mirror
from agents.unrequested_changes import MAX_NAMED
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import ElevenLabs, NotFound
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import (
    Action,
    Attempt,
    PreconditionFailed,
)
from controlplane.operations.models import OPEN_STATES, Operation


@dataclass(frozen=True, kw_only=True)
class AgentAction(Action):
    """Base of the actions on an existing agent."""

    object_type = "agent"
    remote = RemoteAgent

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> RemoteAgent | None:
        return get_agent(client, self.object_id)

    def is_mirrored(self, found: RemoteAgent) -> bool:
        return mirror.is_current(found)

    def store(self, observed: RemoteAgent | None, cause: Cause, reading: Reading, *, done: bool) -> None:
        if observed is not None:
            mirror.upsert_row(observed, cause, reading)
        elif done and self.removes:
            mirror.mark_gone(self.object_id, cause)

    def refuse_while_assigning(self) -> None:
        """Raises PreconditionFailed while a number is being assigned to this agent.

        Both sides commit their operation before they look for the other's, so at least one of the two sees the other.
        This check has to run before the remote is read.
        """
        other = Operation.objects.filter(state__in=OPEN_STATES, params__agent_id=self.object_id).first()
        if other is not None:
            raise PreconditionFailed(
                f"{self.object_name} is needed for a number: {other.actor_name} requested at "
                f"{other.created_at:%H:%M:%S} UTC to: {other.title}. Try again when that is decided."
            )


def get_agent(client: ElevenLabs, agent_id: str) -> RemoteAgent | None:
    try:
        return client.get_agent(agent_id)
    except NotFound:
        return None


def existing_agent(client: ElevenLabs, agent_id: str, name: str) -> RemoteAgent:
    agent = get_agent(client, agent_id)
    if agent is None:
        mirror.mark_missing(agent_id)
        raise PreconditionFailed(f"{name} does not exist any more: it was deleted at ElevenLabs.")
    return agent


def refuse_workflow(problems: list[str], *, observed: RemoteAgent | None = None) -> None:
    if problems:
        more = f" … and {len(problems) - MAX_NAMED} more." if len(problems) > MAX_NAMED else ""
        raise PreconditionFailed(
            f"The workflow would not be valid. {' '.join(problems[:MAX_NAMED])}{more}", observed=observed, field="patch"
        )
