"""SIP trunk settings of a number. Passwords are dropped."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .messages import Json

Encryption = Literal["disabled", "allowed", "required"]
TRUNK_DEFAULTS: Json = {
    "inbound_trunk_config": None,
    "outbound_trunk_config": None,
    "livekit_stack": "standard",
    "store_sip_messages": True,
}


class Credentials(BaseModel):
    username: str
    password: Annotated[str | None, Field(exclude=True)] = None


class InboundTrunk(BaseModel):
    allowed_addresses: list[str] | None = None
    allowed_numbers: list[str] | None = None
    media_encryption: Encryption = "allowed"
    credentials: Credentials | None = None
    remote_domains: list[str] | None = None
    attributes_to_headers: dict[str, str] = {}


class OutboundTrunk(BaseModel):
    address: str
    transport: Literal["auto", "udp", "tcp", "tls"] = "auto"
    media_encryption: Encryption = "allowed"
    headers: dict[str, str] = {}
    attributes_to_headers: dict[str, str] = {}
    credentials: Credentials | None = None
    enabled_codecs: list[Literal["G722/8000", "PCMU/8000", "PCMA/8000"]] = ["G722/8000", "PCMU/8000", "PCMA/8000"]


def shown_trunk(stored: Json) -> Json:
    trunk = {**TRUNK_DEFAULTS, **stored}
    outbound = shown_outbound(trunk["outbound_trunk_config"])
    return {
        "provider_config": outbound,
        "outbound_trunk": outbound,
        "inbound_trunk": shown_inbound(trunk["inbound_trunk_config"]),
        "livekit_stack": trunk["livekit_stack"],
        "store_sip_messages": trunk["store_sip_messages"],
    }


def shown_outbound(stored: Json | None) -> Json | None:
    if stored is None:
        return None
    shown = {name: value for name, value in stored.items() if name != "credentials"}
    return {**shown, **credentials_of(stored), "has_outbound_trunk": True}


def shown_inbound(stored: Json | None) -> Json | None:
    if stored is None:
        return None
    shown = {name: value for name, value in stored.items() if name != "credentials"}
    return {**shown, "allowed_addresses": stored["allowed_addresses"] or ["0.0.0.0/0"], **credentials_of(stored)}


def credentials_of(stored: Json) -> Json:
    credentials = stored.get("credentials")
    return {"has_auth_credentials": credentials is not None, "username": (credentials or {}).get("username")}
