"""Assign or move a number to an agent, or unassign it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from django.db.models import Q

from agents import mirror as agent_mirror
from agents.actions import ArchiveAgent, DeleteAgent
from agents.models import Agent
from controlplane.elevenlabs import ElevenLabs, NotFound
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
from controlplane.operations.models import OPEN_STATES, Operation, State
from numbers.actions.base import UNASSIGNED, NumberAction, agent_name, binding
from numbers.models import PhoneNumber

AS_IT_IS = ""  # of a binding's field: it is not part of the request
BRANCH_FIELDS = ("branch_id", "environment")  # the fields of a binding other than its agent


@register
@dataclass(frozen=True, kw_only=True)
class AssignNumber(NumberAction):
    """Assign or move a number, or unassign it (`agent_id` None), in one PATCH. `shown` is the agent id that the page
    showed.

    A branch belongs to one agent, so it is cleared when the agent changes. If `branch_id` and `environment` are given,
    they are set too, provided that they still are as `shown_binding` says. That is how an undo restores them.
    """

    name = "number.assign"
    verbose_name = "assign, move or unassign number"
    permission = "numbers.assign_phonenumber"
    button = "Assign"

    agent_id: str | None
    shown: str | None
    branch_id: str | None = AS_IT_IS
    environment: str | None = AS_IT_IS
    shown_binding: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(  # type: ignore[override]
        cls, number: PhoneNumber, agent: Agent | None, *, shown: str, **binding: Any
    ) -> Self:
        """`shown` is the agent id that the page showed, or ""; `binding` may have branch_id, environment and
        shown_binding."""
        current = str(number.agent) if number.agent is not None and number.bound_to == shown else ""
        names = {
            "object": number.display_name(),
            "from": current or (agent_name_of(shown) if shown else UNASSIGNED),
            "to": str(agent) if agent else UNASSIGNED,
        }
        agent_id = agent.remote_id if agent else None
        return cls(object_id=number.remote_id, display_names=names, agent_id=agent_id, shown=shown or None, **binding)

    def title(self) -> str:
        number, old, new = self.object_name, self.display_names["from"], self.display_names["to"]
        if self.agent_id is None:
            return f"Unassign {number} from {old}"
        if self._keeps_agent:
            return f"Set the {self._given_labels} of {number}, which {new} answers"
        moves = self.shown not in (None, self.agent_id)
        return f"Move {number} from {old} to {new}" if moves else f"Assign {number} to {new}"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        number, old, new = self.object_name, self.display_names["from"], self.display_names["to"]
        if self.agent_id is None:
            return f"Unassigned {number} from {old}. Calls to this number will not be answered by an agent."
        if self._keeps_agent:
            return f"Set the {self._given_labels} of {number}, which {new} answers."
        what = f"Moved {number} from {old} to {new}" if self.shown else f"Assigned {number} to {new}"
        return f"{what}. Calls that come in from now on are answered by {new}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if self.agent_id is not None:
            check_agent(client, self.agent_id, self.display_names["to"])
        number = self.existing(client)
        now = binding(number)
        if number.agent_id == self.agent_id and all(now[name] == value for name, value in self._given.items()):
            raise NothingToDo(
                f"{self.object_name} is already with {self.display_names['to']}; nothing was sent.", observed=number
            )
        if number.agent_id != self.shown:
            raise PreconditionFailed(
                f"{self.object_name} is with {agent_name(number)} now, no longer with {self.display_names['from']}: it "
                "was changed meanwhile.",
                observed=number,
            )
        for name, shown in self.shown_binding.items():
            if now[name] not in (shown, self._given[name]):
                what = f"The {_field_label(name)} of {self.object_name} is {now[name] or 'none'} now"
                raise PreconditionFailed(f"{what}: it was changed meanwhile.", observed=number)
        if self.agent_id is not None and not number.supports_inbound:
            raise PreconditionFailed(
                f"{self.object_name} can only call out; ElevenLabs cannot assign it to an agent.", observed=number
            )
        return Attempt(now, number)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        patch = {"agent_id": self.agent_id, **self._given}
        if self._clears_branch(attempt):
            patch["branch_id"] = None
        return Reply(self.object_id, client.update_number(self.object_id, patch))

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        before, now = attempt.before, binding(observed)
        if now["agent_id"] not in (self.agent_id, before.get("agent_id")):
            message = f"Read back: it is with {agent_name(observed)} now; it was changed meanwhile."
            return Verdict(State.OVERTAKEN, message)
        if before.get("agent_id") != self.agent_id:
            if now["agent_id"] == self.agent_id:
                return self._done(attempt, now)
            return Verdict(
                State.NOT_APPLIED, f"Read back: it is still with {agent_name(observed)}. It is safe to do it again."
            )
        changing = [name for name, value in self._given.items() if before.get(name) != value]
        if any(now[name] == self._given[name] for name in changing):
            return self._done(attempt, now)
        overtaken = [name for name in changing if now[name] != before.get(name)]
        if overtaken:
            values = ", ".join(f"the {_field_label(name)} is {now[name] or 'none'}" for name in overtaken)
            return Verdict(State.OVERTAKEN, f"Read back: {values} now; it was changed meanwhile.")
        return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to do it again.")

    def _done(self, attempt: Attempt, now: dict[str, Any]) -> Verdict:
        not_kept = [_field_label(name) for name, value in self._given.items() if now[name] != value]
        notes = []
        if self._clears_branch(attempt):
            cleared = attempt.before["branch_id"]
            if now["branch_id"] == cleared:
                not_kept.append("branch")
                notes.append(f"It still shows the branch {cleared} of the agent before.")
            else:
                notes.append(f"The branch {cleared} of {self.display_names['from']} was cleared.")
        elif now["branch_id"] and "branch_id" not in self._given:
            notes.append(f"ElevenLabs shows the branch {now['branch_id']} for it, which was not requested.")
        if now["environment"] and "environment" not in self._given:
            notes.append(f"It uses the environment {now['environment']}.")
        return Verdict(State.DONE, " ".join(notes), not_kept=not_kept)

    def _clears_branch(self, attempt: Attempt) -> bool:
        moves = attempt.before.get("agent_id") != self.agent_id
        return bool(moves and attempt.before.get("branch_id") and "branch_id" not in self._given)

    @property
    def _keeps_agent(self) -> bool:
        return bool(self.agent_id == self.shown and self._given)

    @property
    def _given(self) -> dict[str, str | None]:
        """Those of branch_id and environment that are part of the request."""
        return {name: value for name in BRANCH_FIELDS if (value := getattr(self, name)) != AS_IT_IS}

    @property
    def _given_labels(self) -> str:
        return " and ".join(map(_field_label, self._given))

    def summarize(self, observed: RemoteNumber) -> dict[str, Any]:
        return binding(observed)


def check_agent(client: ElevenLabs, agent_id: str, name: str) -> None:
    """Raises PreconditionFailed unless the agent exists at ElevenLabs and is not archived.

    The product owner requires this read before a number is assigned.
    """
    _refuse_agent_being_removed(agent_id, name)
    try:
        agent = client.get_agent(agent_id)
    except NotFound:
        agent_mirror.mark_missing(agent_id)
        raise PreconditionFailed(
            f"{name} does not exist any more: it was deleted at ElevenLabs. Choose another.", field="agent"
        ) from None
    if agent.archived:
        raise PreconditionFailed(f"{name} is archived. Restore it first, or choose another.", field="agent")


def _refuse_agent_being_removed(agent_id: str, name: str) -> None:
    """Raises PreconditionFailed while the agent is being deleted or archived.

    Those actions check for open assignments in turn. Both sides commit their operation before they check, so at least
    one of the two sees the other. This check runs before the remote is read, so that the effect of an operation that
    has ended is visible there.
    """
    archived = {f"params__set__{agent_mirror.ARCHIVED}": True}
    removal = Operation.objects.filter(
        Q(kind__startswith=DeleteAgent.name) | Q(kind=ArchiveAgent.name, **archived),
        state__in=OPEN_STATES,
        resource=f"agent:{agent_id}",
    ).first()
    if removal is not None:
        what = "archived" if removal.kind == ArchiveAgent.name else "deleted"
        raise PreconditionFailed(
            f"{name} is being {what} by {removal.actor_name} since {removal.created_at:%H:%M:%S} UTC. Choose another.",
            field="agent",
        )


def _field_label(name: str) -> str:
    return name.removesuffix("_id")


def agent_name_of(remote_id: str) -> str:
    """The name of an agent as the pages show it."""
    agent = Agent.objects.filter(remote_id=remote_id).first()
    return str(agent) if agent else f"an unknown agent …{remote_id[-4:]}"
