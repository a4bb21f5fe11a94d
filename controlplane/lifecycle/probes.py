"""Actions that skip our own checks, to see how ElevenLabs answers. Each probe is an operation like any other: committed
before it is sent, sent once, never repeated."""

from typing import Any

from django.views.decorators.debug import sensitive_variables

from agents.actions import DeleteAgent
from controlplane.elevenlabs import Conflict, ElevenLabs, Outcome
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import Operation, State
from numbers.actions import AssignNumber, RenameNumber, binding, get_number
from numbers.import_action import ImportNumber

SENT_UNCHECKED = "Probe, sent without our own check:"


def _existing_number(client: ElevenLabs, op: Operation) -> dict[str, Any]:
    number = get_number(client, op.object_id)
    if number is None:
        raise PreconditionFailed(f"{op.display_names['object']} is not in ElevenLabs.")
    op.precheck_object = number
    return number


def _was_accepted(op: Operation) -> bool:
    """Whether ElevenLabs responded with success. Any state of the number afterwards counts as done, because finding out
    that state is the purpose of the probe."""
    return op.http_status is not None and 200 <= op.http_status < 300


@register
class ProbeAssignment(AssignNumber):
    """`params["agent_id"]` is sent as it is: neither the agent nor the number's current agent is checked."""

    name = "number.assign.probe"

    def title(self, op: Operation) -> str:
        return f"{SENT_UNCHECKED} assign {op.display_names['object']} to {op.display_names['to']}"

    def success_message(self, op: Operation) -> str:
        names = op.display_names
        return f"ElevenLabs took it, without our check: {names['object']} was assigned to {names['to']}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        return binding(_existing_number(client, op))

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        return Verdict(State.DONE) if _was_accepted(op) and observed is not None else super().reconcile(op, observed)


@register
class ProbeLabel(RenameNumber):
    """Sends a label of null, which no form of ours can send."""

    name = "number.rename.probe"

    def title(self, op: Operation) -> str:
        return f"{SENT_UNCHECKED} send a label of null for {op.display_names['object']}"

    def success_message(self, op: Operation) -> str:
        return f"ElevenLabs took a label of null for {op.display_names['object']}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        return self.summarize(op, _existing_number(client, op))

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        return Verdict(State.DONE) if _was_accepted(op) and observed is not None else super().reconcile(op, observed)


@register
class ProbeImport(ImportNumber):
    """Imports a number that already exists. The ids found before are used to tell the existing number apart from a new
    one."""

    name = "number.import.probe"

    def title(self, op: Operation) -> str:
        return f"{SENT_UNCHECKED} import {op.display_names['object']} a second time"

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        rows = client.all_numbers(phone_number=op.params["phone_number"])
        return {"ids": sorted(str(row["phone_number_id"]) for row in rows if row.get("phone_number_id"))}

    @sensitive_variables("secrets")
    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        try:
            return super().send(client, op, secrets)
        except Conflict as conflict:
            conflict.outcome = Outcome.REFUSED  # it collides with an existing number, so it cannot be its own work
            raise

    def _find(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        known = (op.before or {}).get("ids", [])
        rows = client.all_numbers(phone_number=op.params["phone_number"])
        found = next((row for row in rows if row.get("phone_number_id") not in known), None)
        return None if found is None else RemoteNumber.parse(found).raw

    def matches(self, op: Operation, object_id: str, observed: dict[str, Any] | None) -> bool:
        return object_id not in (op.before or {}).get("ids", []) and super().matches(op, object_id, observed)


@register
class ProbeDeletion(DeleteAgent):
    """Deletes an agent that still answers numbers."""

    name = "agent.delete.probe"

    def title(self, op: Operation) -> str:
        return f"{SENT_UNCHECKED} delete the agent {op.display_names['object']} while it answers a number"

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        return self.summarize(op, client.get_agent(op.object_id).raw)
