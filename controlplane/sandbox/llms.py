"""The language models on offer."""

from .messages import Json

# ruff: noqa: SIM905 - one per line would fill a page

NAMES = (
    "gemini-2.5-flash gemini-2.5-flash-lite gemini-2.0-flash gemini-2.0-flash-lite gemini-3-pro-preview "
    "gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-3.5-flash gemini-3.5-flash-lite "
    "gemini-3.6-flash gemini-3.7-flash gpt-4o-mini gpt-4o gpt-4-turbo gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-5 "
    "gpt-5-mini gpt-5-nano gpt-5.1 gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.5 gpt-5.6-sol gpt-5.6-terra "
    "gpt-5.6-luna claude-sonnet-4 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-opus-4-7 claude-opus-4-8 "
    "claude-haiku-4-5 claude-3-7-sonnet claude-3-haiku qwen3-30b-a3b qwen36-35b-a3b gpt-oss-20b gpt-oss-120b "
    "glm-45-air-fp8 custom-llm"
).split()
CHECKPOINTS = (
    "gemini-2.5-flash-preview-09-2025 gemini-2.0-flash-001 gpt-4o-2024-11-20 gpt-4.1-2025-04-14 gpt-5-2025-08-07 "
    "gpt-5.4-2026-03-05 claude-sonnet-4-5@20250929 claude-haiku-4-5@20251001"
).split()
DEPRECATED = {"gemini-2.0-flash": "gemini-2.5-flash", "claude-3-haiku": "claude-haiku-4-5", "gpt-4-turbo": "gpt-4.1"}
KNOWN = frozenset(NAMES) | frozenset(CHECKPOINTS)
DEPRECATION = {
    "warning_start_days": 90,
    "fallback_start_days": 30,
    "fallback_complete_days": 0,
    "fallback_start_percentage": 10,
    "fallback_complete_percentage": 100,
}


def listing() -> Json:
    return {
        "llms": [described(name, is_checkpoint=name in CHECKPOINTS) for name in (*NAMES, *CHECKPOINTS)],
        "default_deprecation_config": DEPRECATION,
    }


def described(name: str, *, is_checkpoint: bool) -> Json:
    open_model = name.startswith(("qwen", "gpt-oss", "glm", "custom"))
    replacement = DEPRECATED.get(name)
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
