"""Schema and defaults of `platform_settings`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from .conversation_config import Entries, Llm
from .data_files import load
from .merge import merged
from .messages import Json

# A version includes these parts; changing other settings creates no new version.
VERSIONED = frozenset(
    {"evaluation", "widget", "data_collection", "data_collection_scopes", "analysis_items", "guardrails"}
)

_DEFAULTS = load("platform_settings")
GUARDRAILS, WIDGET = _DEFAULTS["guardrails"], _DEFAULTS["widget"]
OVERRIDES, WORKSPACE_OVERRIDES = _DEFAULTS["overrides"], _DEFAULTS["workspace_overrides"]


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
