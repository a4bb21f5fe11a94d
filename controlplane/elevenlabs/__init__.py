"""The ElevenLabs API client, its typed responses and its errors.

The function `scrub` is imported from its module of the same name: exported here it would shadow the module, and the
logging configuration could not find the filter in it.
"""

from .base_url import SANDBOX_KEY, check_base_url, check_key, is_sandbox
from .client import ElevenLabs, connect
from .errors import (
    BadShape,
    Conflict,
    ConnectionLost,
    ElevenLabsError,
    Forbidden,
    Invalid,
    KeyRefused,
    Limited,
    NoConnection,
    NoSuchRoute,
    NotFound,
    NotSent,
    Outcome,
    TimedOut,
    Unavailable,
    Unclear,
)
from .schemas import (
    Agent,
    AgentSummary,
    AssignedAgent,
    Llm,
    Page,
    PhoneNumber,
    Remote,
    User,
    Voice,
    VoicePage,
    is_id,
    unstorable,
)
from .scrub import ScrubFilter, secrets_in_memory
from .traffic import RecordResult, Traffic
from .transport import Call
from .wire_log import Attempt, recording

__all__ = [
    "SANDBOX_KEY",
    "Agent",
    "AgentSummary",
    "AssignedAgent",
    "Attempt",
    "BadShape",
    "Call",
    "Conflict",
    "ConnectionLost",
    "ElevenLabs",
    "ElevenLabsError",
    "Forbidden",
    "Invalid",
    "KeyRefused",
    "Limited",
    "Llm",
    "NoConnection",
    "NoSuchRoute",
    "NotFound",
    "NotSent",
    "Outcome",
    "Page",
    "PhoneNumber",
    "RecordResult",
    "Remote",
    "ScrubFilter",
    "TimedOut",
    "Traffic",
    "Unavailable",
    "Unclear",
    "User",
    "Voice",
    "VoicePage",
    "check_base_url",
    "check_key",
    "connect",
    "is_id",
    "is_sandbox",
    "recording",
    "secrets_in_memory",
    "unstorable",
]
