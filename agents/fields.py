"""The fields of the agent form and their paths in ElevenLabs' JSON.

A field that a remote error may refer to is named after the last step of its path. That is how
`controlplane.operations.form_flow.field_of` finds the form field for the error.
"""

from collections.abc import Mapping
from typing import Any

from controlplane.mirror.json_paths import get

AGENT = "conversation_config.agent"
TTS = "conversation_config.tts"
LIMITS = "platform_settings.call_limits"

PATHS = {
    "name": "name",
    "tags": "tags",
    "voice_id": f"{TTS}.voice_id",
    "first_message": f"{AGENT}.first_message",
    "system_prompt": f"{AGENT}.prompt.prompt",
    "language": f"{AGENT}.language",
    "llm": f"{AGENT}.prompt.llm",
    "temperature": f"{AGENT}.prompt.temperature",
    "model_id": f"{TTS}.model_id",
    "stability": f"{TTS}.stability",
    "similarity_boost": f"{TTS}.similarity_boost",
    "speed": f"{TTS}.speed",
    "max_duration_seconds": "conversation_config.conversation.max_duration_seconds",
    "agent_concurrency_limit": f"{LIMITS}.agent_concurrency_limit",
    "daily_limit": f"{LIMITS}.daily_limit",
}
FIELD_AT = {path: name for name, path in PATHS.items()}

# The defaults of a new agent, from ElevenLabs' published schemas.
DEFAULTS: dict[str, Any] = {
    "name": "",
    "tags": [],
    "voice_id": "cjVigY5qzO86Huf0OWal",
    "first_message": "",
    "system_prompt": "",
    "language": "en",
    "llm": "gemini-2.5-flash",
    "temperature": 0.0,
    "model_id": "eleven_flash_v2",
    "stability": 0.5,
    "similarity_boost": 0.8,
    "speed": 1.0,
    "max_duration_seconds": 600,
    "agent_concurrency_limit": -1,
    "daily_limit": 100_000,
}

# Limits of the published schemas. Those have none for integers, so these keep typing errors from being sent (at most a
# day, a million calls). Only values that a user sets are checked; what an agent already has is left alone.
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "stability": (0, 1),
    "similarity_boost": (0, 1),
    "speed": (0.7, 1.2),
    "max_duration_seconds": (1, 86_400),
    "agent_concurrency_limit": (-1, 1_000_000),
    "daily_limit": (0, 1_000_000),
}

MAY_BE_EMPTY = {"tags", "first_message", "system_prompt", "temperature"}
_WORDS = {
    "voice_id": "Voice id",
    "llm": "LLM",
    "model_id": "Voice model",
    "similarity_boost": "Similarity",
    "max_duration_seconds": "Longest call, in seconds",
    "agent_concurrency_limit": "Calls at the same time",
    "daily_limit": "Calls per day",
}
_MULTILINE = {"first_message", "system_prompt"}


def values_from(data: Mapping[str, Any]) -> dict[str, Any]:
    """{field: value} from an agent's JSON."""
    return {name: get(data, path) for name, path in PATHS.items()}


def normalize(name: str, value: Any) -> Any:
    """A remote value as the form posts it back if the user leaves it alone, so that the two compare as equal.

    Browsers send line ends as CRLF, do not trim, and cannot distinguish an empty text from a missing one.
    """
    if name == "tags":
        return tags_in(", ".join(map(str, value)) if isinstance(value, list) else "")
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        return text if name in _MULTILINE else text.replace("\n", "").strip()
    if name in RANGES and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return "" if name not in RANGES else None


def tags_in(text: str) -> list[str]:
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def label_of(name: str) -> str:
    """The label of a field on read-only pages and in API errors."""
    return _WORDS.get(name, name.replace("_", " ").capitalize())
