"""Probes: actions without their precheck, to see how ElevenLabs answers. Each is an operation like any other: committed
before it is sent, sent once, never repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.views.decorators.debug import sensitive_variables

from agents.actions import DeleteAgent
from controlplane.elevenlabs import Conflict, ElevenLabs, Outcome
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import Action, Attempt, PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import State
from numbers.actions import AssignNumber, NumberAction, SetLabel
from numbers.actions.import_number import ImportNumber


@dataclass(frozen=True, kw_only=True)
class Probe(Action):
    """Base of all probes, to be named before the action that is sent unchecked. The object must exist, nothing else is
    checked. `request` is what is sent, with the display names in braces."""

    request: ClassVar[str]

    def title(self) -> str:
        return f"Probe, sent without our own check: {self.request.format(**self.display_names)}"

    def precheck(self, client: ElevenLabs) -> Attempt:
        observed = self.read_back(client, Attempt({}))
        if observed is None:
            raise PreconditionFailed(f"{self.object_name} is not in ElevenLabs.")
        return Attempt(self.summarize(observed), observed)


@dataclass(frozen=True, kw_only=True)
class NumberProbe(Probe, NumberAction):
    """A PATCH that ElevenLabs accepts is done, whatever the number shows afterwards: the step looks at that."""

    is_offered = False

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"ElevenLabs accepted it without our own check: {self.request.format(**self.display_names)}."

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        was_accepted = attempt.http_status is not None and 200 <= attempt.http_status < 300
        return Verdict(State.DONE) if was_accepted and observed is not None else super().reconcile(attempt, observed)


@register
@dataclass(frozen=True, kw_only=True)
class ProbeAssignment(NumberProbe, AssignNumber):
    """`agent_id` is sent as it is: neither the agent nor the number's current agent is checked."""

    name = "number.assign.probe"
    verbose_name = "probe: assign number"
    request = "assign {object} to {to}"


@register
@dataclass(frozen=True, kw_only=True)
class ProbeLabel(NumberProbe, SetLabel):
    """Sends a label of null, which no form of ours can send."""

    name = "number.rename.probe"
    verbose_name = "probe: label number"
    request = "send a label of null for {object}"


@register
@dataclass(frozen=True, kw_only=True)
class ProbeDeletion(Probe, DeleteAgent):
    """Deletes an agent that still answers numbers."""

    name = "agent.delete.probe"
    verbose_name = "probe: delete agent"
    request = "delete the agent {object} while it answers a number"


@register
@dataclass(frozen=True, kw_only=True)
class ProbeImport(Probe, ImportNumber):
    """Imports a number that already exists. The ids found before are used to tell the existing number apart from a new
    one."""

    name = "number.import.probe"
    verbose_name = "probe: import number"
    request = "import {object} a second time"

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
        rows = client.all_numbers(phone_number=self.phone_number)
        new = next((row for row in rows if row.get("phone_number_id") not in before.get("ids", [])), None)
        return None if new is None else RemoteNumber.parse(new)

    def matches(self, attempt: Attempt, object_id: str, observed: RemoteNumber | None) -> bool:
        return object_id not in attempt.before.get("ids", []) and super().matches(attempt, object_id, observed)
