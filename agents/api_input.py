"""What a caller may say of an agent: the fields of its form, each with a type, and the rest as JSON."""

import json
from typing import Any

from ninja import Field

from agents import patch
from agents.fields import PATHS
from controlplane.api.schemas import Because, Json, Text

OTHERS = (
    "What has no field of its own, in ElevenLabs' shape: `conversation_config`, `platform_settings`, `workflow`. "
    "Objects are merged, lists replaced whole, null clears. Kept in the history: no passwords or keys here"
)


class _Settings(Because):
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


class ChangedAgent(_Settings):
    name: Text | None = Field(None, max_length=300)
    expected_version: Text | None = Field(None, max_length=64)


def values_of(body: _Settings) -> dict[str, Any]:
    """{field: value} of what was said, and of nothing else; texts of one line without space around them."""
    said = {name: getattr(body, name) for name in PATHS if name in body.model_fields_set}
    lines = ("first_message", "system_prompt")
    return {
        name: value.strip() if isinstance(value, str) and name not in lines else value for name, value in said.items()
    }


def flat_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """{path: value}, checked as the form's JSON is. Raises Django's ValidationError."""
    return patch.parse(json.dumps(settings)) if settings else {}
