"""Schema, limits and defaults of `conversation_config`.

Unknown fields are silently dropped, as in the real service. Only values that were set are stored
(`model_dump(exclude_unset=True)`); defaults are added when an agent is read.
https://elevenlabs.io/docs/api-reference/agents/create
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from . import llms
from .merge import merged
from .messages import Json
from .validation import unknown_choice

TtsModel = Literal[
    "eleven_turbo_v2",
    "eleven_turbo_v2_5",
    "eleven_flash_v2",
    "eleven_flash_v2_5",
    "eleven_multilingual_v2",
    "eleven_v3_conversational",
    "eleven_v4",
    "eleven_v4_turbo",
]
AudioFormat = Literal["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
BUILT_IN_TOOLS: Json = dict.fromkeys(
    (
        "transfer_to_agent",
        "end_call",
        "language_detection",
        "transfer_to_number",
        "skip_turn",
        "play_keypad_touch_tone",
        "voicemail_detection",
    )
)
CLIENT_EVENTS = ["audio", "interruption", "user_transcript", "agent_response", "agent_response_correction"]


def known_llm(name: str) -> str:
    if name not in llms.KNOWN:
        raise unknown_choice("llm")
    return name


def with_built_in_defaults(tools: Json) -> Json:
    result: Json = merged(BUILT_IN_TOOLS, tools)
    return result


def without_nulls(entries: dict[str, Any]) -> dict[str, Any]:
    """In a map with free keys, a null removes the entry (assumption 12)."""
    return {name: value for name, value in entries.items() if value is not None}


Llm = Annotated[str, AfterValidator(known_llm)]
BuiltInTools = Annotated[Json, AfterValidator(with_built_in_defaults)]
Entries = Annotated[dict[str, Json | None], AfterValidator(without_nulls)]


class Rag(BaseModel):
    enabled: bool = False
    embedding_model: Literal["e5_mistral_7b_instruct", "multilingual_e5_large_instruct"] = "e5_mistral_7b_instruct"
    max_vector_distance: Annotated[float, Field(gt=0, lt=1)] = 0.6
    max_documents_length: Annotated[int, Field(gt=0, lt=10_000_000)] = 50_000
    max_retrieved_rag_chunks_count: Annotated[int, Field(gt=0, le=20)] = 20
    num_candidates: Annotated[int, Field(gt=0, le=10_000)] | None = None
    query_rewrite_prompt_override: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


class CustomLlm(BaseModel):
    url: str
    model_id: str | None = None
    api_key: Json | None = None
    request_headers: dict[str, Any] = {}
    api_version: str | None = None
    api_type: Literal["chat_completions", "responses", "websocket"] = "chat_completions"


class KnowledgeBase(BaseModel):
    type: Literal["file", "url", "text", "folder"]
    name: str
    id: str
    usage_mode: Literal["prompt", "auto"] = "auto"


class BackupLlm(BaseModel):
    preference: Literal["default", "disabled", "override"] = "default"
    order: list[Llm] | None = Field(default=None, exclude_if=lambda value: value is None)


class Prompt(BaseModel):
    prompt: str = ""
    llm: Llm = "gemini-2.5-flash"
    reasoning_effort: ReasoningEffort | None = None
    thinking_budget: int | None = None
    enable_reasoning_summary: bool = False
    temperature: float | None = 0.0
    max_tokens: int = -1
    tool_ids: list[str] = []
    built_in_tools: BuiltInTools = BUILT_IN_TOOLS
    mcp_server_ids: Annotated[list[str], Field(max_length=10)] = []
    native_mcp_server_ids: Annotated[list[str], Field(max_length=10)] = []
    knowledge_base: list[KnowledgeBase] = []
    custom_llm: CustomLlm | None = None
    ignore_default_personality: bool | None = True
    rag: Rag = Rag()
    timezone: str | None = None
    backup_llm_config: BackupLlm = BackupLlm()
    cascade_timeout_seconds: Annotated[float, Field(ge=2, le=15)] = 4.0
    enable_parallel_tool_calls: bool | None = None
    tools: list[Json] = []


class DynamicVariables(BaseModel):
    dynamic_variable_placeholders: dict[str, Any] = {}


class Agent(BaseModel):
    first_message: str = ""
    language: str = "en"
    hinglish_mode: bool = False
    dynamic_variables: DynamicVariables = DynamicVariables()
    disable_first_message_interruptions: bool = False
    max_conversation_duration_message: str = ""
    text_behavior_overrides: dict[str, Any] | None = None
    prompt: Prompt = Prompt()


class SupportedVoice(BaseModel):
    label: Annotated[str, Field(min_length=1)]
    voice_id: Annotated[str, Field(min_length=1)]
    description: str | None = None
    language: str | None = None
    stability: Annotated[float, Field(ge=0, le=1)] | None = None
    speed: Annotated[float, Field(ge=0.7, le=1.2)] | None = None
    similarity_boost: Annotated[float, Field(ge=0, le=1)] | None = None


class Tts(BaseModel):
    model_id: TtsModel = "eleven_flash_v2"
    voice_id: str = "cjVigY5qzO86Huf0OWal"
    supported_voices: list[SupportedVoice] = []
    expressive_mode: bool = True
    suggested_audio_tags: Annotated[list[Json], Field(max_length=20)] = []
    agent_output_audio_format: AudioFormat = "pcm_16000"
    optimize_streaming_latency: Literal[0, 1, 2, 3, 4] = 3
    stability: Annotated[float, Field(ge=0, le=1)] = 0.5
    speed: Annotated[float, Field(ge=0.7, le=1.2)] = 1.0
    similarity_boost: Annotated[float, Field(ge=0, le=1)] = 0.8
    text_normalisation_type: Literal["system_prompt", "elevenlabs"] = "system_prompt"
    pronunciation_dictionary_locators: list[Json] = []
    enable_phoneme_tags: bool = True


class Asr(BaseModel):
    quality: Literal["high"] = "high"
    provider: Literal["elevenlabs", "scribe_realtime", "scribe_v2_turbo"] = "scribe_realtime"
    user_input_audio_format: AudioFormat = "pcm_16000"
    keywords: list[str] = []


class SoftTimeout(BaseModel):
    timeout_seconds: float = -1.0
    message: Annotated[str, Field(min_length=1, max_length=200)] = "Hhmmmm...yeah."
    additional_soft_timeout_messages: Annotated[list[str], Field(max_length=7)] = []
    use_llm_generated_message: bool = False
    randomize_fillers: bool = False
    max_soft_timeouts_per_generation: Annotated[int, Field(ge=1, le=8)] = 1
    llm_generated_message_prompt_override: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    disable_until_first_user_message: bool = False


class Turn(BaseModel):
    turn_timeout: float = 7.0
    initial_wait_time: float | None = None
    silence_end_call_timeout: float = -1
    mode: Literal["silence", "turn"] = "turn"
    turn_eagerness: Literal["patient", "normal", "eager"] = "normal"
    spelling_patience: Literal["auto", "off"] = "auto"
    speculative_turn: bool = False
    retranscribe_on_turn_timeout: bool = False
    turn_model: Literal["turn_v2", "turn_v3"] = "turn_v3"
    interruption_ignore_terms: list[str] = []
    interruption_ignore_term_languages: list[str] = []
    merge_with_default_ignore_terms: bool = False
    transcribe_on_disabled_interruptions: bool = False
    soft_timeout_config: SoftTimeout = SoftTimeout()


class FileInput(BaseModel):
    enabled: bool = True
    max_files_in_memory: Annotated[int, Field(ge=1, le=30)] = 10
    max_files_per_conversation: int = 10


class BackgroundSound(BaseModel):
    source_type: Literal["preset"] | None = None
    source_id: str | None = None
    volume: Annotated[float, Field(ge=0.01, le=1)] = 0.15
    crossfade_loop: bool = True


class Conversation(BaseModel):
    text_only: bool = False
    max_duration_seconds: int = 600
    client_events: list[str] = CLIENT_EVENTS
    file_input: FileInput = FileInput()
    monitoring_enabled: bool = False
    monitoring_events: list[str] = []
    background_sound: BackgroundSound = BackgroundSound()
    source_attribution: bool = False


class Vad(BaseModel):
    background_voice_detection: bool = False


class ConversationConfig(BaseModel):
    asr: Asr = Asr()
    turn: Turn = Turn()
    tts: Tts = Tts()
    conversation: Conversation = Conversation()
    language_presets: Entries = {}
    vad: Vad = Vad()
    agent: Agent = Agent()
