"""Pydantic schemas of ElevenLabs' responses: unknown fields are kept, wrong types are errors, nothing is coerced."""

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError

from .errors import BadShape
from .scrub import without_credentials

Json = dict[str, Any]
ID_FORM = r"^[A-Za-z0-9_-]{1,64}$"
Id = Annotated[str, StringConstraints(pattern=ID_FORM)]
UnixSecs = Annotated[int, Field(ge=0, le=253_402_300_799)]  # up to the end of the year 9999, Python's maximum

MAX_NAME_CHARS = 300
MAX_OBJECT_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 100
_BRACKETS = re.compile(r"[\[\]{}]")
_LONG_NUMBER = re.compile(r"[1-9]\d{18}", re.ASCII)  # may exceed 64 bits


def is_id(value: str) -> bool:
    """Whether this can be an id of ElevenLabs. Such an id is also safe in a URL path."""
    return re.fullmatch(ID_FORM, value) is not None


class Remote(BaseModel):
    """An object as ElevenLabs sent it. `raw` is the original JSON, including unknown fields."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())
    what: ClassVar[str] = "an object"
    _raw: Json = PrivateAttr(default_factory=dict)

    @cached_property
    def raw(self) -> Json:
        return self._raw

    @classmethod
    def parse(cls, data: object) -> Self:
        """Raises BadShape, whose message names the field but never its value."""
        if not isinstance(data, dict):
            raise BadShape(f"ElevenLabs' answer is not {cls.what}.")
        try:
            parsed = cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"])[:80]
            problem = "is missing" if first["type"] == "missing" else "is not what it should be"
        else:
            parsed._raw = data
            return parsed
        raise BadShape(f"ElevenLabs sent {cls.what} whose field {field} {problem}.")


class AgentSummary(Remote):
    what = "an agent"
    agent_id: Id
    name: str
    tags: list[str] = []
    archived: bool = False
    created_at_unix_secs: UnixSecs | None = None
    updated_at_unix_secs: UnixSecs | None = None
    last_call_time_unix_secs: UnixSecs | None = None
    voice_id: str | None = None
    access_info: Json | None = None


class AgentMetadata(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)
    created_at_unix_secs: UnixSecs | None = None
    updated_at_unix_secs: UnixSecs | None = None


class Agent(Remote):
    what = "an agent"
    agent_id: Id
    name: str
    conversation_config: Json
    platform_settings: Json = {}
    metadata: AgentMetadata = AgentMetadata()
    phone_numbers: list[Json] = []
    tags: list[str] = []
    version_id: str | None = None
    branch_id: str | None = None
    main_branch_id: str | None = None
    access_info: Json | None = None

    @property
    def archived(self) -> bool:
        return self.platform_settings.get("archived") is True


class AssignedAgent(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)
    agent_id: str
    agent_name: str | None = None
    environment: str | None = None
    branch_id: str | None = None


class PhoneNumber(Remote):
    """`provider` is not restricted: twilio, sip_trunk, exotel, or one added later."""

    what = "a phone number"
    phone_number_id: Id
    phone_number: str
    label: str
    provider: str = ""
    assigned_agent: AssignedAgent | None = None
    supports_inbound: bool = True
    supports_outbound: bool = True

    @classmethod
    def parse(cls, data: object) -> Self:
        """Fields that repeat a credential of the carrier are removed, from `raw` too."""
        return super().parse(without_credentials(data))

    @cached_property
    def agent_id(self) -> str | None:
        """The agent that answers this number. An empty id counts as none."""
        return (self.assigned_agent.agent_id or None) if self.assigned_agent else None

    @cached_property
    def branch_id(self) -> str | None:
        """The branch of the agent that answers; None: its main branch, or no agent."""
        return (self.assigned_agent.branch_id or None) if self.assigned_agent else None

    @cached_property
    def environment(self) -> str | None:
        """The environment whose variables the agent uses; None: the default one, or no agent."""
        return (self.assigned_agent.environment or None) if self.assigned_agent else None


class Voice(Remote):
    what = "a voice"
    voice_id: Id
    name: str
    category: str | None = None
    labels: Json = {}
    description: str | None = None
    preview_url: str | None = None


class Llm(Remote):
    what = "a language model"
    llm: str
    is_checkpoint: bool = False
    max_tokens_limit: int | None = None
    max_context_limit: int | None = None
    available_reasoning_efforts: list[str] | None = None
    deprecation_info: Json | None = None

    @property
    def deprecated(self) -> bool:
        return bool(self.deprecation_info) and (self.deprecation_info or {}).get("is_deprecated") is True


class User(Remote):
    what = "a user"
    user_id: str
    workspace_id: str | None = None
    subscription: Json = {}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. The rows are unparsed: the code that stores them parses each row and sets invalid ones
    aside."""

    rows: list[Json]
    next_cursor: str | None
    has_more: bool

    @classmethod
    def parse(
        cls, data: object, key: str, *, cursor_key: str = "next_cursor", more_if_unsaid: bool | None = None
    ) -> Self:
        """Raises BadShape for a page that does not say how to continue: it would pass for a complete list."""
        rows = data.get(key) if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(rows, list):
            raise BadShape("ElevenLabs' answer is not a page of a list.")
        if not all(isinstance(row, dict) for row in rows):
            raise BadShape("ElevenLabs sent a list with an item that is not an object.")
        cursor = data.get(cursor_key)
        has_more = data.get("has_more", more_if_unsaid if cursor is None else None)
        if not isinstance(has_more, bool) or not (cursor is None or isinstance(cursor, str)):
            raise BadShape("ElevenLabs sent a page without the fields that lead to the next one.")
        if has_more and not cursor:
            raise BadShape("ElevenLabs sent a page that announces another one, but no cursor to it.")
        return cls(rows, cursor or None, has_more)


@dataclass(frozen=True, slots=True)
class VoicePage:
    voices: list[Voice]
    next_page_token: str | None
    has_more: bool


def unstorable(raw: Json) -> str | None:
    """Why this object cannot be stored in PostgreSQL (jsonb, text), in a few words; None if it can."""
    for name in ("name", "label", "phone_number"):
        value = raw.get(name)
        if isinstance(value, str) and len(value) > MAX_NAME_CHARS:
            return f"its {name} is longer than {MAX_NAME_CHARS} characters"
    return None if _is_plain(raw) else _why_unstorable(raw)


def _is_plain(raw: Json) -> bool:
    """A fast check without false positives; anything doubtful is checked value by value."""
    try:
        text = json.dumps(raw, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError):
        return False
    if size > MAX_OBJECT_BYTES or "\\u0000" in text:
        return False
    quoted = text.replace(r"\\", "").replace(r"\"", "").split('"')
    frame = "".join(quoted[::2])  # what is between the strings: numbers and brackets
    return _is_shallow(frame) and not _LONG_NUMBER.search(frame)


def _is_shallow(frame: str) -> bool:
    if frame.count("[") + frame.count("{") <= MAX_DEPTH:
        return True
    deepest = max(accumulate(1 if bracket in "[{" else -1 for bracket in _BRACKETS.findall(frame)), default=0)
    return deepest <= MAX_DEPTH


def _why_unstorable(raw: Json) -> str | None:
    left: list[tuple[object, int]] = [(raw, 1)]
    while left:
        value, depth = left.pop()
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            return f"it is nested deeper than {MAX_DEPTH} levels"
        reason = _bad_value(value)
        if reason:
            return reason
        if isinstance(value, dict):
            left += [(key, depth) for key in value] + [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            left += [(item, depth + 1) for item in value]
    if len(json.dumps(raw, ensure_ascii=False).encode()) > MAX_OBJECT_BYTES:
        return f"it is larger than {MAX_OBJECT_BYTES // 1024 // 1024} MB"
    return None


def _bad_value(value: object) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "a text holds a NUL character"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "a text holds half of a character (a lone surrogate)"
    elif isinstance(value, float) and not math.isfinite(value):
        return "a number is infinite or no number"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a number is larger than 64 bits"
    return None
