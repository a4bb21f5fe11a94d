"""Request schemas of the agents' endpoints."""

import json
from typing import Any

from ninja import Field
from pydantic import ConfigDict

from agents import settings_json
from agents.fields import MAY_BE_EMPTY, PATHS, RANGES
from agents.validators import VOICE_ID
from controlplane.api.schemas import NOT_BLANK, Json, Text, WithJustification

OTHERS = (
    "What has no field of its own, in ElevenLabs' shape: `conversation_config`, `platform_settings`, `workflow`. "
    "Name only what should change: objects are merged, lists replaced whole, null clears. In `workflow`, a node or an "
    "edge that is left out stays, and null removes it; the result has to be a whole, valid workflow. Kept in the "
    "history: no passwords or keys here"
)


def _add_limits(schema: dict[str, Any]) -> None:
    """Adds the limits that `agents.validators` enforces to the OpenAPI document, and which fields may be null."""
    for name in PATHS:
        prop = schema["properties"][name]
        variants = prop.get("anyOf", [prop])
        if name not in MAY_BE_EMPTY and "anyOf" in prop:
            prop |= next(variant for variant in prop.pop("anyOf") if variant["type"] != "null")
            prop.pop("default", None)
            variants = [prop]
        for variant in variants:
            if name in RANGES and variant["type"] != "null":
                variant["minimum"], variant["maximum"] = RANGES[name]
            elif variant["type"] == "string" and name not in MAY_BE_EMPTY:
                variant |= {"pattern": f"^{VOICE_ID}$"} if name == "voice_id" else NOT_BLANK
    schema["properties"]["settings"]["propertyNames"] = {"enum": list(settings_json.PARTS)}


class _Settings(WithJustification):
    model_config = ConfigDict(json_schema_extra=_add_limits)

    tags: list[Text] | None = Field(None, max_length=100)
    voice_id: Text | None = Field(None, max_length=64)
    first_message: Text | None = Field(None, max_length=100_000)
    system_prompt: Text | None = Field(None, max_length=500_000)
    language: Text | None = Field(None, max_length=40)
    llm: Text | None = Field(None, max_length=120)
    temperature: float | None = Field(None, description="0 to 2; null: not sent to the LLM at all")
    model_id: Text | None = Field(None, max_length=120, description="The voice model")
    stability: float | None = Field(None, description="0 to 1")
    similarity_boost: float | None = Field(None, description="0 to 1")
    speed: float | None = Field(None, description="0.7 to 1.2")
    max_duration_seconds: int | None = None
    agent_concurrency_limit: int | None = Field(None, description="-1: no limit but the workspace's")
    daily_limit: int | None = None
    settings: Json = Field(default_factory=dict, description=OTHERS)


class NewAgent(_Settings):
    name: Text = Field(max_length=300)


class NewName(WithJustification):
    name: Text = Field(max_length=300, json_schema_extra=NOT_BLANK)


class ChangedAgent(_Settings):
    name: Text | None = Field(None, max_length=300)
    expected_version: Text | None = Field(None, max_length=64)


def values_of(body: _Settings) -> dict[str, Any]:
    """{field: value} of the fields that the request sets. Surrounding whitespace is stripped from one-line texts."""
    given = {name: getattr(body, name) for name in PATHS if name in body.model_fields_set}
    multiline = ("first_message", "system_prompt")
    return {
        name: value.strip() if isinstance(value, str) and name not in multiline else value
        for name, value in given.items()
    }


def flat_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """{path: value}, validated like the form's JSON field. Raises Django's ValidationError."""
    return settings_json.parse(json.dumps(settings)) if settings else {}
