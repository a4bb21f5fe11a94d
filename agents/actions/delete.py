"""Delete an agent."""

from dataclasses import dataclass
from typing import Any, Self

from agents.actions.base import AgentAction, get_agent
from agents.models import Agent
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import ElevenLabs
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import (
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.models import State


@register
@dataclass(frozen=True, kw_only=True)
class DeleteAgent(AgentAction):
    """For an agent without numbers. `numbers.services.delete_agent_with_numbers` deletes one that has some."""

    name = "agent.delete"
    verbose_name = "delete agent"
    permission = "agents.delete_agent"
    removes = True

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(object_id=agent.remote_id, display_names={"object": str(agent)})

    def title(self) -> str:
        return f"Delete the agent {self.object_name}"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"Deleted the agent {self.object_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        self.refuse_while_assigning()
        agent = get_agent(client, self.object_id)
        if agent is None:
            raise NothingToDo(f"{self.object_name} was already gone at ElevenLabs; nothing was sent.")
        numbers = [RemoteNumber.parse(row) for row in client.all_numbers(agent_id=self.object_id)]
        bound = [number.phone_number for number in numbers if number.agent_id == self.object_id]
        if bound:
            raise PreconditionFailed(
                f"{self.object_name} still answers {len(bound)} number{'s' if len(bound) > 1 else ''} "
                f"({', '.join(bound[:3])}{' …' if len(bound) > 3 else ''}). Unassign or move them first."
            )
        return Attempt(self.summarize(agent))

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        client.delete_agent(self.object_id)
        return Reply(self.object_id)

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | None) -> Verdict:
        if observed is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the agent is still there. It is safe to delete it again.")

    def summarize(self, observed: RemoteAgent) -> dict[str, Any]:
        return {"agent_id": observed.agent_id, "name": observed.name}
