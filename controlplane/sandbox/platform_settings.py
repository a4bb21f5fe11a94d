"""Schema and defaults of `platform_settings`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from .conversation_config import Entries, Llm
from .merge import merged
from .messages import Json

# A version includes these parts; changing other settings creates no new version.
VERSIONED = frozenset(
    {"evaluation", "widget", "data_collection", "data_collection_scopes", "analysis_items", "guardrails"}
)

THRESHOLD = {"is_enabled": False, "threshold": 0.3}
CONTENT = ("sexual", "violence", "harassment", "self_harm", "profanity", "religion_or_politics")
GUARDRAILS: Json = {
    "version": "1",
    "focus": {"is_enabled": False},
    "prompt_injection": {"is_enabled": False},
    "content": {
        "execution_mode": "streaming",
        "config": dict.fromkeys((*CONTENT, "medical_and_legal_information"), THRESHOLD),
        "trigger_action": {"type": "end_call"},
    },
    "moderation": None,
    "custom": {"config": {"configs": []}},
}
OVERRIDES: Json = {
    "conversation_config_override": {
        "asr": {"keywords": False},
        "turn": {"soft_timeout_config": {"message": False, "additional_soft_timeout_messages": False}},
        "tts": {
            "model_id": False,
            "voice_id": False,
            "stability": False,
            "speed": False,
            "similarity_boost": False,
            "pronunciation_dictionary_locators": False,
        },
        "conversation": {"text_only": False, "max_duration_seconds": False},
        "agent": {
            "first_message": False,
            "language": False,
            "max_conversation_duration_message": False,
            "prompt": {
                "prompt": False,
                "llm": False,
                "tool_ids": False,
                "native_mcp_server_ids": False,
                "knowledge_base": False,
            },
        },
    },
    "custom_llm_extra_body": False,
    "enable_conversation_initiation_client_data_from_webhook": False,
    "enable_starting_workflow_node_id_from_client": False,
    "enable_procedure_ids_from_client": False,
}
WORKSPACE_OVERRIDES: Json = {
    "conversation_initiation_client_data_webhook": None,
    "webhooks": {"post_call_webhook_id": None, "events": [], "transcript_format": "json", "send_audio": None},
}
WIDGET: Json = {
    "variant": "full",
    "placement": "bottom-right",
    "expandable": "never",
    "avatar": {"type": "orb", "color_1": "#2792dc", "color_2": "#9ce6e6"},
    "feedback_mode": "none",
    "bg_color": "#ffffff",
    "text_color": "#000000",
    "btn_color": "#000000",
    "btn_text_color": "#ffffff",
    "border_color": "#e1e1e1",
    "focus_color": "#000000",
    "shareable_page_show_terms": True,
    "show_avatar_when_collapsed": False,
    "disable_banner": False,
    "mic_muting_enabled": True,
    "transcript_enabled": True,
    "text_input_enabled": True,
    "default_expanded": False,
    "always_expanded": False,
    "language_selector": False,
    "supports_text_only": True,
    "language_presets": {},
}


def over(defaults: Json) -> AfterValidator:
    """For parts that are not edited field by field here: stored as sent, merged over their defaults."""

    def lay(value: Json) -> Json:
        result: Json = merged(defaults, value)
        return result

    return AfterValidator(lay)


class Host(BaseModel):
    hostname: str


class Auth(BaseModel):
    enable_auth: bool = False
    allowlist: list[Host] = []
    require_origin_header: bool = False
    shareable_token: str | None = None


class CallLimits(BaseModel):
    agent_concurrency_limit: int = -1
    daily_limit: int = 100_000
    bursting_enabled: bool = True


class Redaction(BaseModel):
    enabled: bool = False
    entities: list[str] = []


class Privacy(BaseModel):
    record_voice: bool = True
    retention_days: int = -1
    delete_transcript_and_pii: bool = False
    delete_audio: bool = False
    apply_to_existing_conversations: bool = False
    zero_retention_mode: bool = False
    conversation_history_redaction: Redaction = Redaction()


class Testing(BaseModel):
    attached_tests: Annotated[list[Json], Field(max_length=5000)] = []


class Evaluation(BaseModel):
    criteria: list[Json] = []


class Queueing(BaseModel):
    enabled: bool = True
    wait_timeout_seconds: int | None = None


class PlatformSettings(BaseModel):
    evaluation: Evaluation = Evaluation()
    widget: Annotated[Json, over(WIDGET)] = WIDGET
    data_collection: Entries = {}
    data_collection_scopes: dict[str, Literal["conversation", "agent"]] = {}
    analysis_items: Json | None = None
    overrides: Annotated[Json, over(OVERRIDES)] = OVERRIDES
    workspace_overrides: Annotated[Json, over(WORKSPACE_OVERRIDES)] = WORKSPACE_OVERRIDES
    testing: Testing = Testing()
    archived: bool = False
    guardrails: Annotated[Json, over(GUARDRAILS)] = GUARDRAILS
    summary_language: str | None = None
    auto_translate_transcript_to_app_language: bool | None = None
    auth: Auth = Auth()
    call_limits: CallLimits = CallLimits()
    privacy: Privacy = Privacy()
    trust_context: Literal["unknown", "low", "high"] = "unknown"
    analysis_llm: Llm = "gemini-2.5-flash"
    topic_discovery: dict[str, Any] = {}
    sentiment_analysis: dict[str, Any] = {}
    alerting: Json | None = None
    queueing_config: Queueing = Queueing()


# Read-only: set by the service's own checks.
SAFETY: Json = {"is_blocked_ivc": False, "is_blocked_non_ivc": False, "ignore_safety_evaluation": False}
