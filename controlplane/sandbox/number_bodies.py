"""Request bodies of imports and PATCHes of numbers, and the magic values of an import.

Twilio is never called, so the sandbox has magic values for Twilio's responses: docs/sandbox.md.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Tag, TypeAdapter

from .errors import Refusal, current, invalid
from .phone_numbers import already_imported
from .trunks import InboundTrunk, OutboundTrunk

SID = re.compile(r"(AC|SK)[0-9a-fA-F]{32}")
E164 = re.compile(r"\+[1-9]\d{1,14}")

WRONG_SID = "AC" + "0" * 32
WRONG_TOKEN = "wrong-token"  # noqa: S105 - a magic value, not a secret
ECHOED = "echo-"  # a token with this prefix is repeated in the error text
NOT_IN_ACCOUNT = "+15005550001"
OUTBOUND_ONLY = "+15005550007"
IMPORTED_ELSEWHERE = "+15005550009"


class Import(BaseModel):
    phone_number: str
    label: str
    agent_id: str | None = None
    supports_inbound: bool = True
    supports_outbound: bool = True


class RegionConfig(BaseModel):
    region_id: Literal["us1", "ie1", "au1"]
    token: str
    edge_location: Literal[
        "ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla", "roaming"
    ]


class TwilioImport(Import):
    provider: Literal["twilio"] = "twilio"
    sid: str
    token: str
    account_auth_token: str | None = None
    region_config: RegionConfig | None = None
    enable_sms: bool = True


class ExotelImport(Import):
    provider: Literal["exotel"]
    account_sid: str
    api_key: str
    api_token: str
    api_subdomain: Literal["api.in.exotel.com", "api.exotel.com"]
    app_id: str
    applet_url: str | None = None


class SipTrunkImport(Import):
    provider: Literal["sip_trunk"]
    inbound_trunk_config: InboundTrunk | None = None
    outbound_trunk_config: OutboundTrunk | None = None


def provider_of(body: Any) -> Any:
    return body.get("provider", "twilio") if isinstance(body, dict) else "twilio"


ANY_IMPORT: TypeAdapter[TwilioImport | ExotelImport | SipTrunkImport] = TypeAdapter(
    Annotated[
        Annotated[TwilioImport, Tag("twilio")]
        | Annotated[ExotelImport, Tag("exotel")]
        | Annotated[SipTrunkImport, Tag("sip_trunk")],
        Discriminator(provider_of),
    ]
)


class NumberPatch(BaseModel):
    agent_id: str | None = None
    label: str | None = None
    inbound_trunk_config: InboundTrunk | None = None
    outbound_trunk_config: OutboundTrunk | None = None
    livekit_stack: Literal["standard", "static"] | None = None
    store_sip_messages: bool | None = None
    environment: str | None = None
    branch_id: str | None = None


def refuse_bad_twilio(body: TwilioImport) -> None:
    """Checks in the order of the real service: first what it can check itself, then Twilio's response."""
    if not SID.fullmatch(body.sid):
        raise invalid("sid", "The SID must be an Account SID (AC...) or an API Key SID (SK...) of 34 characters.")
    if body.sid.startswith("SK") and not body.account_auth_token:
        raise current(
            400,
            "validation_error",
            "missing_required_field",
            "account_auth_token is required for API Key imports to validate inbound webhook signatures.",
            param="account_auth_token",
        )
    if not body.token.strip():
        raise invalid("token", "The token must not be empty.")
    if body.sid == WRONG_SID or WRONG_TOKEN in (body.token, body.account_auth_token):
        raise wrong_credentials("HTTP 401 error: Unable to fetch record: Authenticate")
    if body.token.startswith(ECHOED):
        raise wrong_credentials(f"HTTP 401 error: Authenticate (sid {body.sid}, token {body.token})")
    if body.phone_number == NOT_IN_ACCOUNT:
        raise invalid(
            "phone_number",
            f"Phone number {body.phone_number} was not found. Please verify that it exists in your Twilio account.",
        )
    if body.phone_number == IMPORTED_ELSEWHERE:
        raise already_imported(body.phone_number)


def wrong_credentials(message: str) -> Refusal:
    return current(400, "validation_error", "invalid_parameters", message, status="twilio_error")  # assumption 1


def as_e164(phone_number: str) -> str:
    """Spaces, dots, dashes and brackets are removed; a result that is not E.164 is an error (assumption 8)."""
    bare = re.sub(r"[\s().-]", "", phone_number)
    if not bare.isascii() or not E164.fullmatch(bare):
        raise invalid("phone_number", "The phone number must be in E.164 format, such as +15551234567.")
    return bare
