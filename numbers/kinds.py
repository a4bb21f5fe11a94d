"""The kinds of write on phone numbers: import, assign (assign, move, release), rename, remove."""

from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import BadShape, ElevenLabs, NotFound
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.kinds import Already, Kind, Reply, Secrets, Stop, Verdict, register
from controlplane.operations.models import Operation, State
from numbers import store
from numbers.e164 import same
from numbers.models import PhoneNumber

UNASSIGNED = "no agent"


@register
class ImportNumber(Kind):
    """wanted: phone_number (E.164), label, agent_id, enable_sms, region. Secrets: sid, token, account_auth_token,
    region_token; they live in the memory of one request. A lost answer is found again by the number."""

    name = "number.import"
    object_type = "number"
    patience = 100  # seconds: a new number takes a while to be listed, on top of the usual wait

    def resource(self, object_id: str, wanted: Mapping[str, Any]) -> str:
        return f"import:{wanted['phone_number']}"

    def title(self, op: Operation) -> str:
        return f"Import {op.names['object']} from Twilio"

    def done(self, op: Operation) -> str:
        return f"Imported {op.names['object']}. Usually it is listed within 5 seconds; it can be assigned then."

    def check(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        if agent_id := op.wanted.get("agent_id"):
            check_agent(client, agent_id, op.names["to"])
        _not_on_its_way(op)
        there = self._find(client, op)
        if there is not None:
            raise Stop(
                f"{op.names['object']} is already in ElevenLabs, answered by {_agent_name(there)}. "
                "It is in the list of numbers now.",
                seen=there,
                field="phone_number",
            )
        return {"phone_number_id": None}

    @sensitive_variables("secrets", "body")
    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        wanted = op.wanted
        body: dict[str, Any] = {
            "provider": "twilio",
            "phone_number": wanted["phone_number"],
            "label": wanted["label"],
            "enable_sms": wanted["enable_sms"],
            "sid": secrets["sid"],
            "token": secrets["token"],
        }
        if secrets.get("account_auth_token"):
            body["account_auth_token"] = secrets["account_auth_token"]
        if wanted.get("agent_id"):
            body["agent_id"] = wanted["agent_id"]
        if region := wanted.get("region"):
            body["region_config"] = {**region, "token": secrets["region_token"]}
        return Reply(object_id=client.import_number(body))

    def look(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return _get(client, op.object_id) if op.object_id else self._find(client, op)

    def _find(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        wanted = op.wanted["phone_number"]
        rows = client.all_numbers(phone_number=wanted)
        found = next((row for row in rows if same(str(row.get("phone_number")), wanted)), None)
        return None if found is None else RemoteNumber.parse(found).raw

    def judge(self, op: Operation, seen: dict[str, Any] | None) -> Verdict:
        if seen is None:
            return Verdict(State.NOT_APPLIED, "Read back: the number is not there. It is safe to import it again.")
        if op.http_status == 409:
            return Verdict(
                State.OVERTAKEN,
                "ElevenLabs answered that this number is there already, and it is: somebody else imported it "
                "meanwhile. It is in the list of numbers now.",
            )
        return Verdict(State.DONE)

    def shows(self, op: Operation, object_id: str, seen: dict[str, Any] | None) -> bool:
        return seen is not None and same(str(seen.get("phone_number")), op.wanted["phone_number"])

    def brief(self, op: Operation, seen: dict[str, Any]) -> dict[str, Any]:
        return {"phone_number_id": seen.get("phone_number_id"), **_binding(seen)}

    def found(self, seen: dict[str, Any]) -> str:
        return str(seen["phone_number_id"])

    def store(self, op: Operation, seen: dict[str, Any] | None, cause: Cause) -> None:
        if op.state != State.DONE and seen is not None:
            store.keep(seen, cause, listed=True)
            return
        store.keep_import(op.object_id, op.wanted, seen, cause)


class _OnNumber(Kind):
    """A write on a number that is there."""

    object_type = "number"

    def look(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return _get(client, op.object_id)

    def existing(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        number = _get(client, op.object_id)
        if number is None:
            raise Stop(f"{op.names['object']} is not in ElevenLabs any more: it was removed there.")
        return number

    def store(self, op: Operation, seen: dict[str, Any] | None, cause: Cause) -> None:
        if seen is not None:
            store.keep(seen, cause)
        elif op.state == State.DONE and self.removes:
            store.bury(op.object_id, cause)


@register
class AssignNumber(_OnNumber):
    """wanted: agent_id (None releases) and shown, the agent the page showed. One PATCH, also for a move."""

    name = "number.assign"

    def title(self, op: Operation) -> str:
        number, old, new = op.names["object"], op.names["from"], op.names["to"]
        if op.wanted["agent_id"] is None:
            return f"Release {number} from {old}"
        return f"Move {number} from {old} to {new}" if op.wanted["shown"] else f"Assign {number} to {new}"

    def done(self, op: Operation) -> str:
        number, old, new = op.names["object"], op.names["from"], op.names["to"]
        if op.wanted["agent_id"] is None:
            return f"Released {number} from {old}. Calls to this number will not be answered by an agent."
        if op.wanted["shown"]:
            return f"Moved {number} from {old} to {new}. Calls that come in from now on are answered by {new}."
        return f"Assigned {number} to {new}. Calls that come in from now on are answered by {new}."

    def check(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        wanted = op.wanted["agent_id"]
        if wanted is not None:
            check_agent(client, wanted, op.names["to"])
        number = self.existing(client, op)
        now = RemoteNumber.parse(number).agent_id
        if now == wanted:
            raise Already(f"{op.names['object']} is already with {op.names['to']}; nothing was sent.", seen=number)
        if now != op.wanted["shown"]:
            raise Stop(
                f"{op.names['object']} is with {_agent_name(number)} now, no longer with {op.names['from']}: "
                "somebody changed it meanwhile.",
                seen=number,
            )
        if wanted is not None and number.get("supports_inbound") is False:
            raise Stop(f"{op.names['object']} can only call out; ElevenLabs cannot assign it to an agent.", seen=number)
        return _binding(number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        answer = client.update_number(op.object_id, {"agent_id": op.wanted["agent_id"]})
        return Reply(op.object_id, _about(op.object_id, answer))

    def judge(self, op: Operation, seen: dict[str, Any] | None) -> Verdict:
        if seen is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        now = RemoteNumber.parse(seen).agent_id
        if now == op.wanted["agent_id"]:
            return Verdict(State.DONE)
        if now == (op.before or {}).get("agent_id"):
            return Verdict(
                State.NOT_APPLIED, f"Read back: it is still with {_agent_name(seen)}. It is safe to do it again."
            )
        return Verdict(
            State.OVERTAKEN, f"Read back: it is with {_agent_name(seen)} now; somebody changed it meanwhile."
        )

    def brief(self, op: Operation, seen: dict[str, Any]) -> dict[str, Any]:
        return _binding(seen)


@register
class RenameNumber(_OnNumber):
    """wanted: label and shown, the label the page showed."""

    name = "number.rename"

    def title(self, op: Operation) -> str:
        return f"Label {op.names['object']} “{op.wanted['label']}”"

    def done(self, op: Operation) -> str:
        return f"Labelled {op.names['object']} “{op.wanted['label']}”."

    def check(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        number = self.existing(client, op)
        now = number.get("label")
        if now == op.wanted["label"]:
            raise Already(f"{op.names['object']} already has this label; nothing was sent.", seen=number)
        if now != op.wanted["shown"]:
            raise Stop(f"{op.names['object']} is labelled “{now}” now: somebody changed it meanwhile.", seen=number)
        return self.brief(op, number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        answer = client.update_number(op.object_id, {"label": op.wanted["label"]})
        return Reply(op.object_id, _about(op.object_id, answer))

    def judge(self, op: Operation, seen: dict[str, Any] | None) -> Verdict:
        if seen is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        if seen.get("label") == op.wanted["label"]:
            return Verdict(State.DONE)
        if seen.get("label") == (op.before or {}).get("label"):
            return Verdict(State.NOT_APPLIED, "Read back: the label is the old one. It is safe to do it again.")
        return Verdict(State.OVERTAKEN, f"Read back: the label is “{seen.get('label')}” now.")

    def brief(self, op: Operation, seen: dict[str, Any]) -> dict[str, Any]:
        return {"label": seen.get("label")}


@register
class RemoveNumber(_OnNumber):
    name = "number.remove"
    removes = True

    def title(self, op: Operation) -> str:
        return f"Remove {op.names['object']} from ElevenLabs"

    def done(self, op: Operation) -> str:
        return (
            f"Removed {op.names['object']} from ElevenLabs. It stays yours at Twilio, where its webhook may still "
            "point to ElevenLabs."
        )

    def check(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        number = _get(client, op.object_id)
        if number is None:
            raise Already(f"{op.names['object']} was already gone at ElevenLabs; nothing was sent.")
        now = RemoteNumber.parse(number).agent_id
        if now != op.wanted["shown"]:
            raise Stop(
                f"{op.names['object']} is with {_agent_name(number)} now: somebody changed it meanwhile.", seen=number
            )
        return _binding(number)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        client.delete_number(op.object_id)
        return Reply(op.object_id)

    def judge(self, op: Operation, seen: dict[str, Any] | None) -> Verdict:
        if seen is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the number is still there. It is safe to remove it again.")

    def brief(self, op: Operation, seen: dict[str, Any]) -> dict[str, Any]:
        return _binding(seen)


def check_agent(client: ElevenLabs, agent_id: str, name: str) -> None:
    """The owner's rule: read the agent at the remote before anything is bound to it."""
    try:
        agent = client.get_agent(agent_id)
    except NotFound:
        raise Stop(
            f"{name} does not exist any more: it was deleted at ElevenLabs. Choose another.", field="agent"
        ) from None
    if agent.archived:
        raise Stop(f"{name} is archived. Restore it first, or choose another.", field="agent")


def _not_on_its_way(op: Operation) -> None:
    """A number that was imported here and is in no listing yet: the remote's list cannot tell that it is there."""
    here = PhoneNumber.objects.here().filter(phone_number=op.wanted["phone_number"], listed_at=None).first()
    if here is not None and here.imported_at is not None:
        raise Stop(
            f"{op.names['object']} is already on its way: its import was accepted at "
            f"{here.imported_at:%H:%M:%S} UTC, and ElevenLabs does not list it yet.",
            field="phone_number",
        )


def _get(client: ElevenLabs, number_id: str) -> dict[str, Any] | None:
    try:
        return _about(number_id, client.get_number(number_id))
    except NotFound:
        return None


def _about(number_id: str, answer: RemoteNumber) -> dict[str, Any]:
    """What was answered, if it is about the number that was asked for: else it would be stored as another one."""
    if answer.phone_number_id != number_id:
        raise BadShape("ElevenLabs answered about another number than the one it was asked for.")
    return answer.raw


def _binding(number: dict[str, Any]) -> dict[str, Any]:
    parsed = RemoteNumber.parse(number)
    name = parsed.assigned_agent.agent_name if parsed.assigned_agent else None
    return {"agent_id": parsed.agent_id, "agent_name": name}


def _agent_name(number: dict[str, Any]) -> str:
    binding = _binding(number)
    if binding["agent_id"] is None:
        return UNASSIGNED
    return f"{binding['agent_name'] or 'an agent without a name'} …{binding['agent_id'][-4:]}"
