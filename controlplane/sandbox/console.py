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
    """Overrides what the API shows of one object with any values, valid or not: this gives a test a row with a NUL, a
    NaN or a future type. Null removes the overlay. It is not a write, so the ledger does not record it."""

    action: Literal["overlay"]
    id: str
    # text: JSON inside a string, for values that a request body cannot contain (NaN, a lone surrogate)
    set: Json | str | None


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


def act(call: Call, action: Any) -> Json:
    state, world, cause = call.state, call.world, call.cause
    match action:
        case Assign():
            phone_numbers.patch(world, cause, action.number, {"agent_id": action.agent_id})
            return {"phone_number_id": action.number}
        case PatchNumber():
            changes = action.patch.model_dump(mode="json", include=action.patch.model_fields_set)
            phone_numbers.patch(world, cause, action.number, changes)
            return {"phone_number_id": action.number}
        case AddNumber():
            number = action.model_dump(exclude={"action", "agent_id"})
            return {
                "phone_number_id": phone_numbers.add(world, cause, number=number, agent_id=action.agent_id, trunk=None)
            }
        case DeleteNumber():
            phone_numbers.delete(world, cause, action.number)
            return {"phone_number_id": action.number}
        case CreateAgent():
            new = agents.Changes(name=action.name, conversation_config=action.conversation_config)
            return {"agent_id": agents.create(state, cause, new)}
        case RenameAgent():
            agents.patch(state, cause, action.agent_id, agents.Changes(name=action.name))
        case PatchAgent():
            agents.patch(state, cause, action.agent_id, action.patch)
        case ArchiveAgent():
            archived = {"archived": action.action == "archive_agent"}
            agents.patch(state, cause, action.agent_id, agents.Changes(platform_settings=archived))
        case DeleteAgent():
            agents.delete(world, cause, action.agent_id)
        case Overlay():
            lay_over(call, action)
            return {"id": action.id}
    return {"agent_id": action.agent_id}


def lay_over(call: Call, overlay: Overlay) -> None:
    values = read_overlay(overlay.set) if isinstance(overlay.set, str) else overlay.set
    text = None if values is None else json.dumps(values)
    db = call.state.db
    changed = db.execute("UPDATE agents SET overlay = ? WHERE agent_id = ?", (text, overlay.id)).rowcount
    changed += db.execute("UPDATE numbers SET overlay = ? WHERE phone_number_id = ?", (text, overlay.id)).rowcount
    if not changed:
        raise document_not_found(overlay.id)


def read_overlay(text: str) -> Json:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise invalid("set", "The overlay must be a JSON object, or one inside a string.")
    return values
