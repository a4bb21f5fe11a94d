"""Import a Twilio number into ElevenLabs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from django.views.decorators.debug import sensitive_variables

from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, KeyRefused, secrets_in_memory
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import (
    Action,
    Attempt,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import Operation, State
from numbers import mirror
from numbers.actions.assign import check_agent
from numbers.actions.base import UNASSIGNED, agent_name, binding, get_number
from numbers.e164 import grouped, same
from numbers.models import PhoneNumber


@dataclass(frozen=True)
class TwilioCredentials:
    """Credentials that are passed on to ElevenLabs. They exist in the memory of one request and are never stored."""

    sid: str = field(repr=False)
    token: str = field(repr=False)
    account_auth_token: str = field(default="", repr=False)
    region_token: str = field(default="", repr=False)


@register
@dataclass(frozen=True, kw_only=True)
class ImportNumber(Action):
    """`phone_number` is E.164; `region` is ElevenLabs' `region_config` without the token.

    After a lost response the new number is looked up by its digits.
    """

    name = "number.import"
    verbose_name = "import number"
    permission = "numbers.add_phonenumber"
    object_type = "number"
    remote = RemoteNumber
    patience = 100  # longer than the default, because a new number takes a while to be listed

    phone_number: str
    label: str
    agent_id: str | None
    enable_sms: bool
    region: Mapping[str, str] | None

    @classmethod
    def of(
        cls,
        phone_number: str,
        *,
        label: str,
        agent: Agent | None = None,
        enable_sms: bool = False,
        region: Mapping[str, str] | None = None,
    ) -> Self:
        return cls(
            display_names={"object": grouped(phone_number), "to": str(agent or UNASSIGNED)},
            phone_number=phone_number,
            label=label,
            agent_id=agent.remote_id if agent else None,
            enable_sms=enable_sms,
            region=region,
        )

    @property
    def resource(self) -> str:
        return f"import:{self.phone_number}"

    def title(self) -> str:
        return f"Import {self.object_name} from Twilio"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        number, to = self.object_name, self.display_names["to"]
        if not self.agent_id:
            return f"Imported {number}. Usually it is listed within 5 seconds; it can be assigned then."
        assigned = "" if "agent" in without else f" Assigned to {to} when it was imported."
        return f"Imported {number}.{assigned} Usually it is listed within 5 seconds."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if self.agent_id:
            check_agent(client, self.agent_id, self.display_names["to"])
        _refuse_second_import(self)
        existing = self._find(client, {})
        if existing is not None:
            raise PreconditionFailed(
                f"{self.object_name} is already in ElevenLabs, answered by {agent_name(existing)}. "
                "It is in the list of numbers now.",
                observed=existing,
                field="phone_number",
            )
        return Attempt({"phone_number_id": None})

    @sensitive_variables("secrets", "body")
    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        """`secrets` has the fields of `TwilioCredentials`."""
        body: dict[str, Any] = {
            "provider": "twilio",
            "phone_number": self.phone_number,
            "label": self.label,
            "enable_sms": self.enable_sms,
            "sid": secrets["sid"],
            "token": secrets["token"],
        }
        if secrets.get("account_auth_token"):
            body["account_auth_token"] = secrets["account_auth_token"]
        if self.agent_id:
            body["agent_id"] = self.agent_id
        if self.region:
            body["region_config"] = {**self.region, "token": secrets["region_token"]}
        return Reply(object_id=client.import_number(body))

    def explain_refusal(self, error: ElevenLabsError) -> PreconditionFailed | None:
        """ElevenLabs passes on Twilio's errors, which do not tell the user which field of the form to correct."""
        text = f"{' '.join(error.codes)} {error}".lower()
        if isinstance(error, KeyRefused) and error.codes and "twilio" not in text:
            return None  # about the ElevenLabs API key
        trace = f" (Trace {error.trace_id})" if error.trace_id else ""
        if "number" in text and re.search(r"not found|not exist", text):
            return PreconditionFailed(
                f"ElevenLabs refused the import: {self.object_name} was not found in this Twilio account. "
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

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> RemoteNumber | None:
        return get_number(client, self.object_id) if self.object_id else self._find(client, attempt.before)

    def _find(self, client: ElevenLabs, before: Mapping[str, Any]) -> RemoteNumber | None:
        rows = client.all_numbers(phone_number=self.phone_number)
        found = next((row for row in rows if same(str(row.get("phone_number")), self.phone_number)), None)
        return None if found is None else RemoteNumber.parse(found)

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        if observed is None and attempt.http_status == 409:
            return Verdict(
                State.NOT_APPLIED,
                "ElevenLabs reports that this number exists, but this workspace does not list it: another workspace "
                "may hold it. Nothing was stored.",
            )
        if observed is None:
            return Verdict(State.NOT_APPLIED, "Read back: the number is not there. It is safe to import it again.")
        if attempt.http_status == 409:
            return Verdict(
                State.OVERTAKEN,
                "ElevenLabs answered that this number is there already, and it is: another user imported it "
                "meanwhile. It is in the list of numbers now.",
            )
        differing = self._differing(observed)
        if self.object_id:  # the response contained the id, so this operation created it, whatever its values are
            return Verdict(State.DONE, not_kept=differing)
        if differing:
            return Verdict(
                State.OVERTAKEN,
                f"Read back: the number is there, labelled “{observed.label}” and with {agent_name(observed)}. "
                "That is not what was requested: it was added or changed meanwhile. It is in the list of numbers now.",
            )
        return Verdict(
            State.DONE,
            "The answer was lost; the number was found in ElevenLabs with the requested label and agent.",
        )

    def _differing(self, observed: RemoteNumber) -> list[str]:
        differs = {
            "label": observed.label.strip() != self.label.strip(),
            "agent": observed.agent_id != (self.agent_id or None),
        }
        return [name for name, value in differs.items() if value]

    def matches(self, attempt: Attempt, object_id: str, observed: RemoteNumber | None) -> bool:
        if observed is None or self.object_id:
            return observed is not None and self.object_id == object_id
        return same(observed.phone_number, self.phone_number) and not self._differing(observed)

    def summarize(self, observed: RemoteNumber) -> dict[str, Any]:
        return {"phone_number_id": observed.phone_number_id, **binding(observed)}

    def created_id(self, observed: RemoteNumber) -> str:
        return observed.phone_number_id

    def store(self, observed: RemoteNumber | None, cause: Cause, reading: Reading, *, done: bool) -> None:
        if not done and observed is not None:
            mirror.upsert_row(observed, cause, reading, listed=True)
            return
        mirror.upsert_import(self.object_id, observed, self.params, cause, reading)


@sensitive_variables("credentials", "secrets")
def execute_import(action: ImportNumber, credentials: TwilioCredentials, context: ActionContext) -> Operation:
    """`execute` with credentials, which are masked wherever they would be logged or shown meanwhile."""
    secrets = dict(vars(credentials))
    with secrets_in_memory(*(secret for secret in secrets.values() if secret)):
        return execute(action, context, secrets=secrets)


def _refuse_second_import(action: ImportNumber) -> None:
    """Raises PreconditionFailed if the number was imported here and is not listed yet.

    ElevenLabs' list cannot show such a number. One that was polled for long enough and not found by its id either does
    not block another import.
    """
    unlisted = PhoneNumber.objects.existing().filter(listed_at=None, imported_at__isnull=False)
    unlisted = unlisted.exclude(gave_up_at__isnull=False, missing_since__isnull=False)
    earlier = unlisted.filter(phone_number=action.phone_number).first()
    if earlier is None:
        return
    accepted = f"its import was accepted at {earlier.imported_at:%H:%M:%S} UTC"
    if earlier.gave_up_at is None:
        reason = f"is already on its way: {accepted}, and ElevenLabs does not list it yet."
    else:
        reason = (
            f"is already at ElevenLabs: {accepted}, but it is in no list. Check it again there, or remove it first."
        )
    raise PreconditionFailed(f"{action.object_name} {reason}", field="phone_number")
