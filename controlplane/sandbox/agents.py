"""Stored agents: read, create, patch, duplicate, delete."""

import json
import sqlite3
from typing import Any

from pydantic import BaseModel, ConfigDict

from . import phone_numbers, workflow
from .agent_rules import refuse_both_tool_forms, settled, validated
from .conversation_config import ConversationConfig
from .errors import document_not_found
from .ledger import Cause, record
from .merge import merged
from .messages import Json
from .platform_settings import SAFETY, VERSIONED, PlatformSettings
from .state import SandboxState
from .storage import Storage, new_id

ACCESS: Json = {
    "is_creator": True,
    "creator_name": "Sandbox Owner",
    "creator_email": "owner@sandbox.example",
    "role": "admin",
    "access_source": "creator",
}
UNNAMED = "New Agent"  # assumption 10


class Changes(BaseModel):
    """The fields of a create or PATCH. In a PATCH the parts are free-form and are validated after merging."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = None
    tags: list[str] | None = None
    conversation_config: Json | None = None
    platform_settings: Json | None = None
    workflow: Json | None = None
    procedures: Json | None = None
    version_description: str | None = None


def find(state: Storage, agent_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = state.db.execute("SELECT * FROM agents WHERE agent_id = ?", (agent_id,)).fetchone()
    if row is None:
        raise document_not_found(agent_id)
    return row


def create(state: Storage, cause: Cause, changes: Changes, *, kind: str = "create_agent") -> str:
    refuse_both_tool_forms(changes.conversation_config)
    config = settled(validated(ConversationConfig, changes.conversation_config or {}, "conversation config"))
    settings = sparse_settings(changes.platform_settings or {})
    agent_id, now = new_id("agent"), int(state.now())
    name = UNNAMED if changes.name is None else changes.name
    state.db.execute(
        "INSERT INTO agents (agent_id, name, name_key, tags, voice_id, archived, created_at, updated_at,"
        " conversation_config, platform_settings, workflow, procedures, version_id, branch_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            agent_id,
            name,
            name.casefold(),
            json.dumps(changes.tags or []),
            voice_of(config),
            settings.get("archived", False),
            now,
            now,
            json.dumps(config),
            json.dumps(settings),
            encoded(changes.workflow),
            encoded(changes.procedures),
            new_id("agtvrsn"),
            new_id("agtbrch"),
        ),
    )
    record(state, cause, kind, object_id=agent_id, before=None, after=snapshot(find(state, agent_id)))
    return agent_id


def patch(state: Storage, cause: Cause, agent_id: str, changes: Changes) -> None:
    old = find(state, agent_id)
    given = changes.model_fields_set
    config, settings = json.loads(old["conversation_config"]), json.loads(old["platform_settings"])
    sets_workflow = changes.workflow is not None  # null returns 200 and changes nothing (seen live)
    new_version = sets_workflow
    if changes.conversation_config is not None:
        refuse_both_tool_forms(changes.conversation_config)
        updated = merged(config, changes.conversation_config)
        config = settled(validated(ConversationConfig, updated, "conversation config"))
        new_version = True
    if changes.platform_settings is not None:
        settings = sparse_settings(merged(settings, changes.platform_settings))
        new_version = new_version or bool(VERSIONED & changes.platform_settings.keys())
    name = old["name"] if changes.name is None else changes.name
    state.db.execute(
        "UPDATE agents SET name = ?, name_key = ?, tags = ?, voice_id = ?, archived = ?, updated_at = ?,"
        " conversation_config = ?, platform_settings = ?, workflow = ?, procedures = ?, version_id = ?"
        " WHERE agent_id = ?",
        (
            name,
            name.casefold(),
            json.dumps(changes.tags or []) if "tags" in given else old["tags"],
            voice_of(config),
            settings.get("archived", False),
            int(state.now()),
            json.dumps(config),
            json.dumps(settings),
            encoded(changes.workflow) if sets_workflow else old["workflow"],
            encoded(changes.procedures) if "procedures" in given else old["procedures"],
            new_id("agtvrsn") if new_version else old["version_id"],
            agent_id,
        ),
    )
    after = snapshot(find(state, agent_id))
    record(state, cause, "update_agent", object_id=agent_id, before=snapshot(old), after=after)


def duplicate(state: Storage, cause: Cause, agent_id: str, name: str | None) -> str:
    """Copies everything except the phone numbers (assumption 11): a number has one agent."""
    old = find(state, agent_id)
    changes = Changes(
        name=f"{old['name']} (Copy)" if name is None else name,
        tags=json.loads(old["tags"]),
        conversation_config=json.loads(old["conversation_config"]),
        platform_settings={**json.loads(old["platform_settings"]), "archived": False},
        workflow=decoded(old["workflow"]),
    )
    return create(state, cause, changes, kind="duplicate_agent")


def delete(world: SandboxState, cause: Cause, agent_id: str) -> None:
    state, old = world.state, find(world.state, agent_id)
    phone_numbers.agent_deleted(state, cause, agent_id, old["name"], released=world.settings.after_delete == "released")
    state.db.execute("DELETE FROM agents WHERE agent_id = ?", (agent_id,))
    record(state, cause, "delete_agent", object_id=agent_id, before=snapshot(old), after=None)


def shown(world: SandboxState, row: sqlite3.Row) -> Json:
    config = ConversationConfig.model_validate_json(row["conversation_config"]).model_dump(mode="json")
    settings = PlatformSettings.model_validate_json(row["platform_settings"]).model_dump(mode="json")
    answer = {
        "agent_id": row["agent_id"],
        "name": row["name"],
        "conversation_config": config,
        "metadata": {"created_at_unix_secs": row["created_at"], "updated_at_unix_secs": row["updated_at"]},
        "platform_settings": {**settings, "safety": SAFETY},
        "phone_numbers": phone_numbers.of_agent(world, row["agent_id"]),
        "whatsapp_accounts": [],
        "workflow": workflow.shown(decoded(row["workflow"])),
        "access_info": ACCESS,
        "tags": json.loads(row["tags"]),
        "version_id": row["version_id"],
        "branch_id": row["branch_id"],
        "main_branch_id": row["branch_id"],
        "procedures": decoded(row["procedures"]) or {},
        "default_hold_audio_url": None,
    }
    return overlaid(answer, row)


def summary(row: sqlite3.Row) -> Json:
    answer = {
        "agent_id": row["agent_id"],
        "name": row["name"],
        "voice_id": row["voice_id"],
        "tags": json.loads(row["tags"]),
        "created_at_unix_secs": row["created_at"],
        "updated_at_unix_secs": row["updated_at"],
        "access_info": ACCESS,
        "last_call_time_unix_secs": None,
        "archived": bool(row["archived"]),
    }
    return overlaid(answer, row)


def snapshot(row: sqlite3.Row) -> Json:
    """For the ledger: the values that were set, without defaults."""
    return {
        "agent_id": row["agent_id"],
        "name": row["name"],
        "tags": json.loads(row["tags"]),
        "archived": bool(row["archived"]),
        "version_id": row["version_id"],
        "conversation_config": json.loads(row["conversation_config"]),
        "platform_settings": json.loads(row["platform_settings"]),
        "workflow": decoded(row["workflow"]),
    }


def overlaid(answer: Json, row: sqlite3.Row) -> Json:
    return answer if row["overlay"] is None else {**answer, **json.loads(row["overlay"])}


def sparse_settings(value: Json) -> Json:
    settings: PlatformSettings = validated(PlatformSettings, value, "platform settings")
    return settings.model_dump(mode="json", exclude_unset=True)


def voice_of(config: Json) -> str:
    voice: str = config.get("tts", {}).get("voice_id", "cjVigY5qzO86Huf0OWal")
    return voice


def encoded(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
