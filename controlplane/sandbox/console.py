"""Changes made in the ElevenLabs console; the ledger says `by: console`."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from . import agents, phone_numbers
from .errors import document_not_found, invalid
from .messages import Json
from .number_bodies import NumberPatch
from .state import Call


class Action(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Assign(Action):
    action: Literal["assign"]
    number: str
    agent_id: str | None


class PatchNumber(Action):
    action: Literal["patch_number"]
    number: str
    patch: NumberPatch


class AddNumber(Action):
    action: Literal["add_number"]
    phone_number: str
    label: str = "Added in the console"
    agent_id: str | None = None
    provider: Literal["twilio", "exotel", "sip_trunk"] = "twilio"
    supports_inbound: bool = True
    supports_outbound: bool = True


class DeleteNumber(Action):
    action: Literal["delete_number"]
    number: str


class CreateAgent(Action):
    action: Literal["create_agent"]
    name: str
    conversation_config: Json = {}


class RenameAgent(Action):
    action: Literal["rename_agent"]
    agent_id: str
    name: str


class PatchAgent(Action):
    action: Literal["patch_agent"]
    agent_id: str
    patch: agents.Changes


class ArchiveAgent(Action):
    action: Literal["archive_agent", "unarchive_agent"]
    agent_id: str


class DeleteAgent(Action):
    action: Literal["delete_agent"]
    agent_id: str


class Overlay(Action):
    """Lays any values, right or wrong, over what the API shows of one object: how a test gets a row with a NUL, a NaN
    or a type of tomorrow. Null takes the overlay off. No write, so the ledger does not tell it."""

    action: Literal["overlay"]
    id: str
    set: Json | str | None  # text: JSON inside a string, for what no request body may hold (NaN, half a surrogate)


NumberAction = Annotated[
    Assign
    | PatchNumber
    | AddNumber
    | DeleteNumber
    | CreateAgent
    | RenameAgent
    | PatchAgent
    | ArchiveAgent
    | DeleteAgent
    | Overlay,
    Field(discriminator="action"),
]


def act(call: Call, deed: Any) -> Json:
    state, world, cause = call.state, call.world, call.cause
    match deed:
        case Assign():
            phone_numbers.patch(world, cause, deed.number, {"agent_id": deed.agent_id})
            return {"phone_number_id": deed.number}
        case PatchNumber():
            changes = deed.patch.model_dump(mode="json", include=deed.patch.model_fields_set)
            phone_numbers.patch(world, cause, deed.number, changes)
            return {"phone_number_id": deed.number}
        case AddNumber():
            number = deed.model_dump(exclude={"action", "agent_id"})
            return {
                "phone_number_id": phone_numbers.add(world, cause, number=number, agent_id=deed.agent_id, trunk=None)
            }
        case DeleteNumber():
            phone_numbers.delete(world, cause, deed.number)
            return {"phone_number_id": deed.number}
        case CreateAgent():
            new = agents.Changes(name=deed.name, conversation_config=deed.conversation_config)
            return {"agent_id": agents.create(state, cause, new)}
        case RenameAgent():
            agents.patch(state, cause, deed.agent_id, agents.Changes(name=deed.name))
        case PatchAgent():
            agents.patch(state, cause, deed.agent_id, deed.patch)
        case ArchiveAgent():
            archived = {"archived": deed.action == "archive_agent"}
            agents.patch(state, cause, deed.agent_id, agents.Changes(platform_settings=archived))
        case DeleteAgent():
            agents.delete(world, cause, deed.agent_id)
        case Overlay():
            lay_over(call, deed)
            return {"id": deed.id}
    return {"agent_id": deed.agent_id}


def lay_over(call: Call, deed: Overlay) -> None:
    values = read_overlay(deed.set) if isinstance(deed.set, str) else deed.set
    text = None if values is None else json.dumps(values)
    db = call.state.db
    changed = db.execute("UPDATE agents SET overlay = ? WHERE agent_id = ?", (text, deed.id)).rowcount
    changed += db.execute("UPDATE numbers SET overlay = ? WHERE phone_number_id = ?", (text, deed.id)).rowcount
    if not changed:
        raise document_not_found(deed.id)


def read_overlay(text: str) -> Json:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise invalid("set", "The overlay must be a JSON object, or one inside a string.")
    return values
