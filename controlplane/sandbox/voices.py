"""Endpoints of voices and their previews."""

import math
import struct
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from .errors import current, plain
from .messages import Answer, Json
from .state import Call
from .voice_list import BY_ID, VOICES, Voice

CREATED = 1_700_000_000
MODELS = ["eleven_flash_v2", "eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_multilingual_v2"]
RATE = 8000


class VoicesQuery(BaseModel):
    next_page_token: str | None = None
    page_size: Annotated[int, Field(ge=1, le=100)] = 10
    search: str | None = None
    sort: str | None = None
    sort_direction: Literal["asc", "desc"] | None = None
    voice_type: str | None = None
    category: str | None = None
    gender: str | None = None
    age: str | None = None
    accent: str | None = None
    language: list[str] | None = None
    use_cases: list[str] | None = None
    include_total_count: bool = True
    voice_ids: Annotated[list[str], Field(max_length=100)] | None = None


def list_voices(call: Call) -> Answer:
    query: VoicesQuery = call.query
    found = [voice for voice in VOICES if fits(voice, query)]
    if query.sort:
        by_name = query.sort == "name"
        found.sort(key=lambda voice: voice.name.casefold() if by_name else VOICES.index(voice))
    if query.sort_direction == "desc":
        found.reverse()
    token = query.next_page_token or "0"
    start = int(token) if token.isdecimal() and len(token) < 10 else 0
    end = start + query.page_size
    more = end < len(found)
    return Answer(
        {
            "voices": [described(voice, call.request.base_url) for voice in found[start:end]],
            "has_more": more,
            "total_count": len(found) if query.include_total_count else 0,
            "next_page_token": str(end) if more else None,
        }
    )


def fits(voice: Voice, query: VoicesQuery) -> bool:
    text = " ".join(voice[1:]).casefold()
    criteria = (
        (query.category, voice.category),
        (query.gender, voice.gender),
        (query.age, voice.age),
        (query.accent, voice.accent),
    )
    return (
        all(expected is None or expected == actual for expected, actual in criteria)
        and (query.search is None or query.search.casefold() in text)
        and (query.language is None or voice.language in query.language)
        and (query.use_cases is None or voice.use_case in query.use_cases)
        and (query.voice_ids is None or voice.voice_id in query.voice_ids)
        and of_type(voice, query.voice_type)
    )


def of_type(voice: Voice, wanted: str | None) -> bool:
    default = voice.category == "premade"
    match wanted:
        case "default" | "community":
            return default and wanted == "default"
        case "personal" | "workspace" | "non-default":
            return not default
        case _:
            return True


def list_all_voices(call: Call) -> Answer:
    return Answer({"voices": [described(voice, call.request.base_url) for voice in VOICES]})


def get_voice(call: Call) -> Answer:
    voice = BY_ID.get(call.ids[0])
    if voice is None:
        message = f"A voice with voice_id '{call.ids[0]}' was not found."
        raise current(404, "not_found", "voice_not_found", message, param="voice_id")
    return Answer(described(voice, call.request.base_url))


def described(voice: Voice, base_url: str) -> Json:
    own = voice.category != "premade"
    preview = f"{base_url}/_sandbox/preview/{voice.voice_id}.wav"
    return {
        "voice_id": voice.voice_id,
        "name": voice.name,
        "category": voice.category,
        "labels": {
            "gender": voice.gender,
            "age": voice.age,
            "accent": voice.accent,
            "language": voice.language,
            "use_case": voice.use_case,
            "descriptive": voice.description,
        },
        "description": f"{voice.description}.",
        "preview_url": preview,
        "available_for_tiers": [],
        "high_quality_base_model_ids": MODELS,
        "verified_languages": [
            {
                "language": voice.language,
                "model_id": "eleven_flash_v2_5",
                "accent": voice.accent,
                "locale": None,
                "preview_url": preview,
            }
        ],
        "is_owner": own,
        "is_legacy": False,
        "is_mixed": False,
        "permission_on_resource": "admin" if own else "viewer",
        "created_at_unix": CREATED + VOICES.index(voice) * 86_400,
    }


def preview(call: Call) -> Answer:
    voice = BY_ID.get(call.ids[0])
    if voice is None:
        raise plain(404, "Not Found")
    return Answer(raw=tone(180 + 12 * VOICES.index(voice)), content_type="audio/wav")


@lru_cache(maxsize=64)
def tone(pitch: int) -> bytes:
    """Half a second of a sine wave, faded in and out. Each voice has its own pitch, so that a wrong one can be
    heard."""
    length = RATE // 2
    samples = [
        int(9000 * math.sin(2 * math.pi * pitch * at / RATE) * min(1.0, at / 400, (length - at) / 400))
        for at in range(length)
    ]
    sound = struct.pack(f"<{length}h", *samples)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(sound), b"WAVEfmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", len(sound)
    )
    return head + sound
