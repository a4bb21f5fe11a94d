"""Schemas shared by several endpoints."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import TextChoices
from ninja import Field, Header, Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, WithJsonSchema

from controlplane.audit.justification import MAX_REASON_CHARS, MAX_TICKET_CHARS, Justification
from controlplane.elevenlabs import unstorable


def storable(text: str) -> str:
    validate_storable({"text": text})
    return text


def validate_sendable(secret: SecretStr) -> SecretStr:
    if why := unstorable({"text": secret.get_secret_value()}):
        raise ValueError(f"This cannot be sent: {why}.")
    return secret


def validate_storable(value: dict[str, Any]) -> dict[str, Any]:
    if why := unstorable(value):
        raise ValueError(f"This cannot be kept: {why}.")
    return value


def reject_bare_number(value: Any) -> Any:
    """Rejects bare numbers: 2026 is meant as a year but would be parsed as seconds since 1970."""
    try:
        float(value)
    except ValueError:
        return value
    raise ValueError("Write a time as 2026-11-27T06:00:00Z.")


def one_of(choices: type[TextChoices]) -> WithJsonSchema:
    """An inline enum: the document identifies schemas by class name, and several of ours are called State."""
    return WithJsonSchema({"type": "string", "enum": choices.values})


# for the document only; `storable` gives the error message
NO_NUL = Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})
NOT_BLANK: dict[str, Any] = {
    "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$"
}  # for the document; each endpoint checks it itself
Text = Annotated[str, AfterValidator(storable), NO_NUL]
Secret = Annotated[SecretStr, AfterValidator(validate_sendable), NO_NUL]
Json = Annotated[dict[str, Any], AfterValidator(validate_storable)]
ID = r"^[A-Za-z0-9_-]{1,64}$"
RemoteId = Annotated[str, Field(pattern=ID)]
IdInPath = Annotated[str, WithJsonSchema({"type": "string", "pattern": ID})]  # any other text is a 404
Moment = Annotated[datetime, BeforeValidator(reject_bare_number)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Chosen by the caller for each request. Sent again with the same body, it returns the same answer.",
    ),
]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class WithJustification(Strict):
    """Why the request is made. Required if the site is configured so (`REQUIRE_REASON`, `TICKET_PATTERN`)."""

    reason: Text = Field("", max_length=MAX_REASON_CHARS, description="Kept in the history: no passwords or keys here")
    ticket: Text = Field("", max_length=MAX_TICKET_CHARS)

    @property
    def justification(self) -> Justification:
        return Justification(self.reason.strip(), self.ticket.strip())

    def payload(self) -> dict[str, Any]:
        """The payload that a repeated idempotency key has to match."""
        return self.model_dump(mode="json", exclude_unset=True)
