"""Rules about agents beyond the shape of the body.

`invalid_config` is the current form of such an error, `input_invalid` the older one, which is still returned for the
rule about voice models: its message is JSON inside a string and repeats the whole configuration.
"""

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from .conversation_config import ConversationConfig
from .errors import Refusal, current, invalid, legacy
from .messages import Json
from .voice_list import BY_ID

V2_5_ONLY = frozenset({"eleven_turbo_v2_5", "eleven_flash_v2_5"})
ANY_LANGUAGE = frozenset({"eleven_v4", "eleven_v4_turbo"})  # assumption 14
TEMPERATURES = (0.0, 2.0)  # assumption 15


def refuse_both_tool_forms(config: Any) -> None:
    """GET returns both `tools` and `tool_ids`, but sending both back is an error: an agent cannot be sent back as it
    was read (assumption 13)."""
    agent = config.get("agent") if isinstance(config, dict) else None
    prompt = agent.get("prompt") if isinstance(agent, dict) else None
    if isinstance(prompt, dict) and prompt.get("tools") is not None and prompt.get("tool_ids") is not None:
        raise legacy(
            400,
            "both_tools_and_tool_ids_provided",
            "Cannot specify both tools and tool IDs - please provide only one of these options.",
        )


def invalid_config(error: ValidationError, what: str) -> Refusal:
    first = error.errors(include_url=False)[0]
    return invalid(".".join(str(part) for part in first["loc"]), f"Invalid {what}: {first['msg']}")


def settled(config: ConversationConfig) -> Json:
    """The sparse form to store, after all rules have been checked."""
    sparse = config.model_dump(mode="json", exclude_unset=True)
    tts, prompt = config.tts, config.agent.prompt
    refuse_wrong_voice_model(config, sparse)
    if tts.voice_id not in BY_ID:  # assumption 16
        message = f"A voice with voice_id '{tts.voice_id}' was not found."
        raise current(400, "validation_error", "invalid_voice_id", message, param="tts.voice_id")
    if prompt.temperature is not None and not TEMPERATURES[0] <= prompt.temperature <= TEMPERATURES[1]:
        raise invalid("agent.prompt.temperature", "Invalid conversation config: Temperature must be between 0 and 2")
    if prompt.llm == "custom-llm" and prompt.custom_llm is None:
        raise invalid("agent.prompt.custom_llm", "Invalid conversation config: custom_llm is required for custom-llm")
    if not tts.model_id.startswith("eleven_v3"):
        # Silently reset for models that do not support it: one more reason to read back what was written.
        sparse.setdefault("tts", {})["expressive_mode"] = False
    return sparse


def refuse_wrong_voice_model(config: ConversationConfig, sparse: Json) -> None:
    model, english = config.tts.model_id, config.agent.language.split("-")[0] == "en"
    if english and model in V2_5_ONLY:
        raise input_invalid("Value error, English Agents must use turbo or flash v2.", sparse)
    if not english and model not in V2_5_ONLY | ANY_LANGUAGE:
        raise input_invalid("Value error, Non-english Agents must use turbo or flash v2_5.", sparse)


def input_invalid(message: str, config: Json) -> Refusal:
    return legacy(
        400, "input_invalid", json.dumps([{"type": "value_error", "loc": [], "msg": message, "input": config}])
    )


def validated(model: type[BaseModel], value: Any, what: str) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_config(error, what) from None
