"""The fields of the agent form and their paths in ElevenLabs' JSON. Each field bears the last part of its path as
its name, so that a remote error can be shown at it: see `form_flow.field_of`.

A field that a remote error may name bears the last step of its path: see `controlplane.operations.form_flow.field_of`.
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

# What ElevenLabs gives an agent that says nothing else: the defaults of its published schemas.
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

# Limits of the published schemas; of whole numbers they say none, but a slip of the finger must not be sent (a day, a
# million calls). They hold for what is typed here: what an agent has already is left alone.
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
_LINES = {"first_message", "system_prompt"}


def shown_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """{field: value} of an agent's JSON."""
    return {name: get(data, path) for name, path in PATHS.items()}


def as_typed(name: str, value: Any) -> Any:
    """A remote value as it comes back from the form when nobody touches it: the two are then the same wish.

    Browsers send line ends as CRLF, trim nothing, and cannot tell an empty text from none.
    """
    if name == "tags":
        return tags_in(", ".join(map(str, value)) if isinstance(value, list) else "")
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        return text if name in _LINES else text.replace("\n", "").strip()
    if name in RANGES and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return "" if name not in RANGES else None


def tags_in(text: str) -> list[str]:
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def words(name: str) -> str:
    """A field's name as the facts of an agent show it."""
    return _WORDS.get(name, name.replace("_", " ").capitalize())
