"""Actions that skip our own checks, to see how ElevenLabs answers. Each probe is an operation like any other: committed
before it is sent, sent once, never repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.views.decorators.debug import sensitive_variables

from agents.actions import DeleteAgent
from controlplane.elevenlabs import Conflict, ElevenLabs, Outcome
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import Attempt, PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import State
from numbers.actions import AssignNumber, NumberAction, SetLabel, binding, get_number
from numbers.actions.import_number import ImportNumber

SENT_UNCHECKED = "Probe, sent without our own check:"


def _existing_number(action: NumberAction, client: ElevenLabs) -> RemoteNumber:
    number = get_number(client, action.object_id)
    if number is None:
        raise PreconditionFailed(f"{action.object_name} is not in ElevenLabs.")
    return number


def _was_accepted(attempt: Attempt) -> bool:
    """Whether ElevenLabs responded with success. Any state of the number afterwards counts as done, because finding out
    that state is the purpose of the probe."""
    return attempt.http_status is not None and 200 <= attempt.http_status < 300


@register
@dataclass(frozen=True, kw_only=True)
class ProbeAssignment(AssignNumber):
    """`agent_id` is sent as it is: neither the agent nor the number's current agent is checked."""

    name = "number.assign.probe"
    verbose_name = "probe: assign number"
    is_offered = False

    def title(self) -> str:
        return f"{SENT_UNCHECKED} assign {self.object_name} to {self.display_names['to']}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"ElevenLabs took it, without our check: {self.object_name} was assigned to {self.display_names['to']}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        number = _existing_number(self, client)
        return Attempt(binding(number), number)

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        accepted = _was_accepted(attempt) and observed is not None
        return Verdict(State.DONE) if accepted else super().reconcile(attempt, observed)


@register
@dataclass(frozen=True, kw_only=True)
class ProbeLabel(SetLabel):
    """Sends a label of null, which no form of ours can send."""

    name = "number.rename.probe"
    verbose_name = "probe: label number"
    is_offered = False

    def title(self) -> str:
        return f"{SENT_UNCHECKED} send a label of null for {self.object_name}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"ElevenLabs took a label of null for {self.object_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        number = _existing_number(self, client)
        return Attempt(self.summarize(number), number)

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        accepted = _was_accepted(attempt) and observed is not None
        return Verdict(State.DONE) if accepted else super().reconcile(attempt, observed)


@register
@dataclass(frozen=True, kw_only=True)
class ProbeImport(ImportNumber):
    """Imports a number that already exists. The ids found before are used to tell the existing number apart from a new
    one."""

    name = "number.import.probe"
    verbose_name = "probe: import number"

    def title(self) -> str:
        return f"{SENT_UNCHECKED} import {self.object_name} a second time"

    def precheck(self, client: ElevenLabs) -> Attempt:
        rows = client.all_numbers(phone_number=self.phone_number)
        return Attempt({"ids": sorted(str(row["phone_number_id"]) for row in rows if row.get("phone_number_id"))})

    @sensitive_variables("secrets")
    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        try:
            return super().send(client, attempt, secrets)
        except Conflict as conflict:
            conflict.outcome = Outcome.REFUSED  # it collides with an existing number, so it cannot be its own work
            raise

    def _find(self, client: ElevenLabs, before: Mapping[str, Any]) -> RemoteNumber | None:
        known = before.get("ids", [])
        rows = client.all_numbers(phone_number=self.phone_number)
        found = next((row for row in rows if row.get("phone_number_id") not in known), None)
        return None if found is None else RemoteNumber.parse(found)

    def matches(self, attempt: Attempt, object_id: str, observed: RemoteNumber | None) -> bool:
        return object_id not in attempt.before.get("ids", []) and super().matches(attempt, object_id, observed)


@register
@dataclass(frozen=True, kw_only=True)
class ProbeDeletion(DeleteAgent):
    """Deletes an agent that still answers numbers."""

    name = "agent.delete.probe"
    verbose_name = "probe: delete agent"

    def title(self) -> str:
        return f"{SENT_UNCHECKED} delete the agent {self.object_name} while it answers a number"

    def precheck(self, client: ElevenLabs) -> Attempt:
        return Attempt(self.summarize(client.get_agent(self.object_id)))
