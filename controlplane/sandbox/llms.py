"""The language models on offer."""

from .data_files import load
from .messages import Json

_DATA = load("llms")
NAMES, CHECKPOINTS, REPLACEMENTS = _DATA["names"], _DATA["checkpoints"], _DATA["replacements"]
KNOWN = frozenset(NAMES) | frozenset(CHECKPOINTS)


def listing() -> Json:
    return {
        "llms": [described(name, is_checkpoint=name in CHECKPOINTS) for name in (*NAMES, *CHECKPOINTS)],
        "default_deprecation_config": _DATA["default_deprecation_config"],
    }


def described(name: str, *, is_checkpoint: bool) -> Json:
    open_model = name.startswith(("qwen", "gpt-oss", "glm", "custom"))
    replacement = REPLACEMENTS.get(name)
    return {
        "llm": name,
        "is_checkpoint": is_checkpoint,
        "max_tokens_limit": 8192 if open_model else 65536,
        "max_context_limit": 32768 if open_model else 1000000,
        "supports_image_input": not open_model,
        "supports_document_input": not open_model,
        "supports_parallel_tool_calls": not open_model,
        "available_reasoning_efforts": ["low", "medium", "high"] if name.startswith("gpt-5") else None,
        "available_service_tiers": [],
        "deprecation_info": None
        if replacement is None
        else {
            "llm": name,
            "is_deprecated": True,
            "is_in_warning_period": True,
            "is_in_fallback_period": False,
            "fallback_percentage": 0,
            "provider_deprecation_date": None,
            "replacement_model": replacement,
            "deprecation_config": None,
        },
        "regional_processing_surcharge": None,
    }
