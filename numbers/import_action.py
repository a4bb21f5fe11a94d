"""The action that imports a Twilio number into ElevenLabs."""

import re
from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, KeyRefused
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.upsert import Reading
from controlplane.operations.actions import Action, PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import Operation, State
from numbers import mirror
from numbers.actions import agent_name, binding, check_agent, get_number
from numbers.e164 import same
from numbers.models import PhoneNumber


@register
class ImportNumber(Action):
    """`params`: phone_number (E.164), label, agent_id, enable_sms, region.

    `secrets`: sid, token, account_auth_token, region_token. They exist in the memory of one request only.
    After a lost response the new number is looked up by its digits.
    """

    name = "number.import"
    object_type = "number"
    patience = 100  # longer than the default, because a new number takes a while to be listed

    def resource(self, object_id: str, wanted: Mapping[str, Any]) -> str:
        return f"import:{wanted['phone_number']}"

    def title(self, op: Operation) -> str:
        return f"Import {op.display_names['object']} from Twilio"

    def success_message(self, op: Operation) -> str:
        number, to = op.display_names["object"], op.display_names["to"]
        if not op.params.get("agent_id"):
            return f"Imported {number}. Usually it is listed within 5 seconds; it can be assigned then."
        assigned = "" if "agent" in op.not_kept else f" Assigned to {to} when it was imported."
        return f"Imported {number}.{assigned} Usually it is listed within 5 seconds."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        if agent_id := op.params.get("agent_id"):
            check_agent(client, agent_id, op.display_names["to"])
        _refuse_second_import(op)
        existing = self._find(client, op)
        if existing is not None:
            raise PreconditionFailed(
                f"{op.display_names['object']} is already in ElevenLabs, answered by {agent_name(existing)}. "
                "It is in the list of numbers now.",
                observed=existing,
                field="phone_number",
            )
        return {"phone_number_id": None}

    @sensitive_variables("secrets", "body")
    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        params = op.params
        body: dict[str, Any] = {
            "provider": "twilio",
            "phone_number": params["phone_number"],
            "label": params["label"],
            "enable_sms": params["enable_sms"],
            "sid": secrets["sid"],
            "token": secrets["token"],
        }
        if secrets.get("account_auth_token"):
            body["account_auth_token"] = secrets["account_auth_token"]
        if params.get("agent_id"):
            body["agent_id"] = params["agent_id"]
        if region := params.get("region"):
            body["region_config"] = {**region, "token": secrets["region_token"]}
        return Reply(object_id=client.import_number(body))

    def explain_refusal(self, op: Operation, error: ElevenLabsError) -> PreconditionFailed | None:
        """ElevenLabs passes on Twilio's errors, which do not tell the user which field of the form to correct."""
        text = f"{' '.join(error.codes)} {error}".lower()
        if isinstance(error, KeyRefused) and error.codes and "twilio" not in text:
            return None  # about the ElevenLabs API key
        trace = f" (Trace {error.trace_id})" if error.trace_id else ""
        if "number" in text and re.search(r"not found|not exist", text):
            return PreconditionFailed(
                f"ElevenLabs refused the import: {op.display_names['object']} was not found in this Twilio account. "
                f"Nothing was stored.{trace}",
                field="phone_number",
            )
        if error.status in (400, 401, 403) and re.search(r"twilio_error|authenticate\b|credential", text):
            return PreconditionFailed(
                "ElevenLabs refused the import: Twilio did not accept this SID and token. Nothing was stored; type it "
                f"again.{trace}",
                field="token",
            )
        return None

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return get_number(client, op.object_id) if op.object_id else self._find(client, op)

    def _find(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        phone_number = op.params["phone_number"]
        rows = client.all_numbers(phone_number=phone_number)
        found = next((row for row in rows if same(str(row.get("phone_number")), phone_number)), None)
        return None if found is None else RemoteNumber.parse(found).raw

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None and op.http_status == 409:
            return Verdict(
                State.NOT_APPLIED,
                "ElevenLabs reports that this number exists, but this workspace does not list it: another workspace "
                "may hold it. Nothing was stored.",
            )
        if observed is None:
            return Verdict(State.NOT_APPLIED, "Read back: the number is not there. It is safe to import it again.")
        if op.http_status == 409:
            return Verdict(
                State.OVERTAKEN,
                "ElevenLabs answered that this number is there already, and it is: another user imported it "
                "meanwhile. It is in the list of numbers now.",
            )
        differing = self._differing(op, observed)
        if op.object_id:  # the response contained the id, so this operation created it, whatever its values are
            return Verdict(State.DONE, not_kept=differing)
        if differing:
            return Verdict(
                State.OVERTAKEN,
                f"Read back: the number is there, labelled “{observed.get('label')}” and with {agent_name(observed)}. "
                "That is not what was requested: it was added or changed meanwhile. It is in the list of numbers now.",
            )
        return Verdict(
            State.DONE,
            "The answer was lost; the number was found in ElevenLabs with the requested label and agent.",
        )

    def _differing(self, op: Operation, observed: dict[str, Any]) -> list[str]:
        label, agent = str(observed.get("label")).strip(), RemoteNumber.parse(observed).agent_id
        params = op.params
        differs = {"label": label != params["label"].strip(), "agent": agent != (params.get("agent_id") or None)}
        return [name for name, value in differs.items() if value]

    def matches(self, op: Operation, object_id: str, observed: dict[str, Any] | None) -> bool:
        if observed is None or op.object_id:
            return observed is not None and op.object_id == object_id
        return same(str(observed.get("phone_number")), op.params["phone_number"]) and not self._differing(op, observed)

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return {"phone_number_id": observed.get("phone_number_id"), **binding(observed)}

    def created_id(self, observed: dict[str, Any]) -> str:
        return str(observed["phone_number_id"])

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        if op.state != State.DONE and observed is not None:
            mirror.upsert_row(observed, cause, Reading.by(op), listed=True)
            return
        mirror.upsert_import(op.object_id, op.params, observed, cause, Reading.by(op))


def _refuse_second_import(op: Operation) -> None:
    """Raises PreconditionFailed if the number was imported here and is not listed yet.

    ElevenLabs' list cannot show such a number. One that was polled for long enough and not found by its id either does
    not block another import.
    """
    unlisted = PhoneNumber.objects.existing().filter(listed_at=None, imported_at__isnull=False)
    unlisted = unlisted.exclude(gave_up_at__isnull=False, missing_since__isnull=False)
    earlier = unlisted.filter(phone_number=op.params["phone_number"]).first()
    if earlier is None:
        return
    accepted = f"its import was accepted at {earlier.imported_at:%H:%M:%S} UTC"
    if earlier.gave_up_at is None:
        reason = f"is already on its way: {accepted}, and ElevenLabs does not list it yet."
    else:
        reason = (
            f"is already at ElevenLabs: {accepted}, but it is in no list. Check it again there, or remove it first."
        )
    raise PreconditionFailed(f"{op.display_names['object']} {reason}", field="phone_number")
