"""Validates the JSON in which staff set what has no form field, before anything is sent."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from agents.fields import FIELD_AT, PATHS
from agents.workflow import PART as WORKFLOW
from agents.workflow import is_in_workflow
from controlplane import strict_json
from controlplane.elevenlabs import unstorable
from controlplane.mirror.json_paths import flatten

# The parts of an agent that ElevenLabs accepts. It silently ignores any other.
PARTS = ("conversation_config", "platform_settings", "workflow")
ARCHIVED = "platform_settings.archived"
# More than a user types or pastes by hand.
MAX_CHARS = 200_000
MAX_PATHS = 2_000
MAX_ERRORS = 20
# Type names for error messages.
TYPE_NAMES = {
    list: "a list",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}


def parse(text: str) -> dict[str, Any]:
    """{path: value} of the JSON that a user typed. Raises ValidationError with every problem found."""
    if len(text) > MAX_CHARS:
        raise ValidationError(f"This is too long: {len(text):,} characters, and {MAX_CHARS:,} are taken at once.")
    value = _load(text)
    if not isinstance(value, dict):
        raise ValidationError(f"This has to be a JSON object in braces, not {TYPE_NAMES.get(type(value), 'this')}.")
    if not value:
        return {}
    if reason := unstorable(value):
        raise ValidationError(f"This cannot be sent: {reason}.")
    flat = flatten(value)
    if len(flat) > MAX_PATHS:
        raise ValidationError(f"This sets {len(flat):,} values, and {MAX_PATHS:,} are taken at once. Save it in parts.")
    errors = [
        f"“{part}” is not a part of an agent that can be set here: {', '.join(PARTS)}."
        for part in value
        if part not in PARTS and part not in PATHS.values()
    ]
    if both := _both_tool_forms(value):
        errors.append(f"{both} holds both “tools” and “tool_ids”. ElevenLabs takes one of them: use “tool_ids”.")
    for path, inner in flat.items():
        if name := _field_in(path):
            errors.append(f"“{path}” has a field of its own on this page ({name}): change it there.")
        elif path == ARCHIVED:
            errors.append(f"“{path}” is changed by Archive and Restore on the agent's page.")
        elif inner == {} and (path == WORKFLOW or not is_in_workflow(path)):
            errors.append(f"“{path}” is an empty object, which changes nothing. Objects are merged; null clears.")
    if not isinstance(value.get(WORKFLOW, {}), dict):
        errors.append(
            f"“{WORKFLOW}” has to be an object: an agent always has one. To remove a node or an edge, set that to null."
        )
    if len(errors) > MAX_ERRORS:
        errors[MAX_ERRORS:] = [f"… and {len(errors) - MAX_ERRORS:,} more."]
    if errors:
        raise ValidationError(errors)
    return flat


def _load(text: str) -> Any:
    try:
        return strict_json.loads(text)
    except strict_json.NotJson as error:
        raise ValidationError(str(error)) from None


def _field_in(path: str) -> str | None:
    """The label of the form field whose path equals `path`, is below it or above it."""
    for field_path, name in FIELD_AT.items():
        if field_path == path or field_path.startswith(f"{path}.") or path.startswith(f"{field_path}."):
            return name.replace("_", " ")
    return None


def _both_tool_forms(value: Any, path: str = "") -> str | None:
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return None
    # Two nodes of a workflow may have these names as well, but nodes are objects.
    if {"tools", "tool_ids"} <= value.keys() and not isinstance(value["tool_ids"], Mapping):
        return f"“{path}”" if path else "It"
    for key, inner in value.items():
        if found := _both_tool_forms(inner, f"{path}.{key}" if path else str(key)):
            return found
    return None
