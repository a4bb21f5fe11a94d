"""Validators of agent settings, with the same messages on pages and in the API."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from agents import options
from agents.fields import MAY_BE_EMPTY, RANGES

VOICE_ID = r"[A-Za-z0-9_-]{1,64}"


def setting_error(name: str, value: Any, label: str) -> str | None:
    if value in ("", None) and name not in MAY_BE_EMPTY:
        return f"{label} cannot be empty."
    if name == "voice_id" and not re.fullmatch(VOICE_ID, value):
        return "This is not the id of a voice: up to 64 letters, digits, - and _."
    if name in RANGES and value is not None:
        low, high = RANGES[name]
        if not low <= value <= high:
            return f"{label} has to be between {low:,} and {high:,}."
    return None


def voice_model_error(values: Mapping[str, Any], changed: Collection[str]) -> str | None:
    """`values` has all settings as they would be after the change, `changed` the fields that are being set."""
    model, language = values.get("model_id"), values.get("language")
    if not model or not language or not {"model_id", "language"} & set(changed) or options.suits(model, language):
        return None
    suiting = options.listed(options.VOICE_MODELS[name] for name in options.models_for(language))
    return f"ElevenLabs refuses this voice model for {options.language_name(language)}. These suit it: {suiting}."
