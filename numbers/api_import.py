"""API endpoint that imports a Twilio number. The form of the page validates it."""

import re
import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import Field, Router
from pydantic import SecretStr

from controlplane.api.auth import requires
from controlplane.api.idempotency import run_idempotently
from controlplane.api.operations import OperationOut
from controlplane.api.problems import invalid
from controlplane.api.schemas import Key, RemoteId, Secret, Text, WithJustification
from controlplane.elevenlabs import secrets_in_memory
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation
from numbers.actions.import_number import ImportNumber, TwilioCredentials, execute_import
from numbers.agent_picker import active_agents
from numbers.e164 import MAX_TYPED_CHARS
from numbers.forms import EDGES, REGIONS, SID, ImportForm

router = Router(tags=["Numbers"])
SID_PATTERN = SID.replace(r"\A", "^").replace(r"\Z", "$")  # in the syntax of JSON Schema
SECRETS = ("sid", "token", "account_auth_token", "region_token")


def one_of(choices: list[tuple[str, str]]) -> str:
    """A regular expression for the choices. Unlike an enum's, its error message does not repeat the value."""
    return f"^({'|'.join(re.escape(value) for value, _ in choices)})$"


class NumberImport(WithJustification):
    phone_number: Text = Field(
        max_length=MAX_TYPED_CHARS, description="A number you have at Twilio, with its country code"
    )
    label: Text = Field(max_length=300)
    sid: Secret = Field(
        max_length=200, json_schema_extra={"pattern": SID_PATTERN}, description="Account SID (AC…) or API key SID (SK…)"
    )
    token: Secret = Field(
        max_length=200, json_schema_extra={"minLength": 1}, description="Sent to ElevenLabs once, and not stored here"
    )
    account_auth_token: Secret = Field(SecretStr(""), max_length=200, description="Only with an API key SID")
    agent_id: RemoteId | None = None
    enable_sms: bool = False
    region: str = Field("", pattern=one_of(REGIONS))
    edge: str = Field("", pattern=one_of(EDGES))
    region_token: Secret = Field(SecretStr(""), max_length=200, description="Only with a region")

    def payload(self) -> dict[str, Any]:
        """Without the credentials, not even hashed: the idempotency key covers the number, the label and the rest."""
        return {name: value for name, value in super().payload().items() if name not in SECRETS}


@router.post(
    "/numbers/import",
    summary="Import a Twilio number",
    response={201: OperationOut, 202: OperationOut},
    auth=requires(ImportNumber.permission),
)
@sensitive_variables()
def import_number(request: HttpRequest, response: HttpResponse, key: Key, body: NumberImport) -> Any:
    """Import a number: `object_id` of the answer is its id. ElevenLabs lists it some seconds later."""
    secrets = {name: getattr(body, name).get_secret_value() for name in SECRETS}

    @sensitive_variables()
    def run(context: ActionContext) -> Operation:
        form = _validated_form(body, secrets)
        action = ImportNumber.of(
            form.cleaned_data["phone_number"],
            label=form.cleaned_data["label"],
            agent=form.cleaned_data["agent"],
            enable_sms=body.enable_sms,
            region=form.region_config(),
        )
        credentials = TwilioCredentials(**{name: form.cleaned_data[name] for name in SECRETS})
        return execute_import(action, credentials, context)

    with secrets_in_memory(*(secret for secret in secrets.values() if secret)):
        return run_idempotently(request, response, key, body, run, success_status=201)


@sensitive_variables()
def _validated_form(body: NumberImport, secrets: dict[str, str]) -> ImportForm:
    agent = active_agents().filter(remote_id=body.agent_id).first() if body.agent_id else None
    plain = {name: getattr(body, name) for name in ("phone_number", "label", "region", "edge", "reason", "ticket")}
    data = {**plain, **secrets, "agent": agent.pk if agent else "", "key": str(uuid.uuid4())}
    form = ImportForm(data)
    errors = [(name or "", str(message)) for name, messages in form.errors.items() for message in messages]
    if body.agent_id and agent is None:
        errors.append(("agent_id", "This agent is archived or gone, or there is none. Choose another."))
    if errors:
        raise invalid(errors)
    return form
