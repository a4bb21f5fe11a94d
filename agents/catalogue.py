"""Caches the voices and language models that ElevenLabs offers. A failed read is retried after 30 seconds; pages
work without it."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from django.utils.connection import ConnectionProxy
from django.utils.text import slugify

from agents.options import language_code, language_name
from controlplane.elevenlabs import ElevenLabsError, NotFound, Voice, connect, unstorable
from controlplane.templatetags.names import visible

cache = ConnectionProxy(caches, "catalogue")

READ_PATIENCE_S = 5.0  # how long a page waits for a list that it can do without
LLMS_TTL = 600
VOICES_TTL = 60
NAMES_TTL = 24 * 3600
FAILURE_TTL = 30
MAX_VOICES = 30
MAX_PAGE_SIZE = 100  # the maximum that ElevenLabs accepts
MAX_NAME_PAGES = 5


class CatalogueUnavailable(Exception):
    """ElevenLabs could not be read; the message has the reason."""


@dataclass(frozen=True)
class Offer:
    """One voice to choose."""

    voice_id: str
    name: str
    labels: tuple[str, ...] = ()
    description: str = ""
    preview: str = ""

    @classmethod
    def of(cls, voice: Voice) -> "Offer":
        gender, age, accent, language, use = (
            voice.labels.get(name) for name in ("gender", "age", "accent", "language", "use_case")
        )
        spoken = language_name(language) if isinstance(language, str) else None
        labels = [voice.category, gender, age, accent, spoken, use]
        words = tuple(visible(label).replace("_", " ") for label in labels if isinstance(label, str) and label)
        preview = voice.preview_url or ""
        return cls(
            voice.voice_id,
            visible(voice.name),
            words,
            visible(voice.description or ""),
            preview if preview.startswith(("https://", "http://")) else "",
        )


@dataclass(frozen=True)
class LlmOffer:
    name: str
    note: str = ""


def voices(search: str = "") -> list[Offer]:
    """At most `MAX_VOICES`. Raises CatalogueUnavailable."""
    key = _cache_key("voices", search)
    found: list[Offer] | str | None = cache.get(key)
    if found is None:
        found = _read_voices(search)
        cache.set(key, found, FAILURE_TTL if isinstance(found, str) else VOICES_TTL)
    if isinstance(found, str):
        raise CatalogueUnavailable(found)
    return found


def llms() -> list[LlmOffer]:
    """Raises CatalogueUnavailable."""
    key = _cache_key("llms")
    found: list[LlmOffer] | str | None = cache.get(key)
    if found is None:
        found = _read_llms()
        cache.set(key, found, FAILURE_TTL if isinstance(found, str) else LLMS_TTL)
    if isinstance(found, str):
        raise CatalogueUnavailable(found)
    return found


def voice_names(ids: Iterable[str]) -> dict[str, str]:
    """Cached names only, so that a list of agents never waits for ElevenLabs."""
    keys = {_cache_key("voice", voice_id): voice_id for voice_id in ids if voice_id}
    return {keys[key]: offer.name for key, offer in cache.get_many(keys).items()}


def fetch_voice_names(ids: Iterable[str]) -> dict[str, str]:
    """Like `voice_names`, but fetches missing names. An id that ElevenLabs does not list gets an empty name."""
    requested = {voice_id for voice_id in ids if voice_id}
    known = voice_names(requested)
    token: str | None = None
    try:
        client = connect(patience=READ_PATIENCE_S, urgent=True)
        for _ in range(MAX_NAME_PAGES):
            if requested <= known.keys():
                return known
            page = client.list_voices(page_token=token, page_size=MAX_PAGE_SIZE)
            offers = _offers(page.voices)
            _store(offers)
            known |= {offer.voice_id: offer.name for offer in offers if offer.voice_id in requested}
            token = page.next_page_token
            if not page.has_more:
                break
    except (ElevenLabsError, ValueError):
        return known
    unlisted = requested - known.keys()
    _store((Offer(voice_id, "") for voice_id in unlisted), LLMS_TTL)
    return known | dict.fromkeys(unlisted, "")


def voice(voice_id: str) -> Offer:
    """The cached voice, or one with just its id. Never waits for ElevenLabs."""
    return cache.get(_cache_key("voice", voice_id)) or Offer(voice_id, "")


def fetch_voice(voice_id: str) -> Offer:
    """Like `voice`, but fetches a voice that is not cached."""
    known: Offer | None = cache.get(_cache_key("voice", voice_id))
    if known is not None:
        return known
    try:
        found = _offers([connect(patience=READ_PATIENCE_S, urgent=True).get_voice(voice_id)])
    except NotFound:
        found = []
    except (ElevenLabsError, ValueError):
        return Offer(voice_id, "")
    offer = next((offer for offer in found if offer.voice_id == voice_id), None)
    _store([offer or Offer(voice_id, "")], NAMES_TTL if offer else LLMS_TTL)
    return offer or Offer(voice_id, "")


def _read_voices(search: str) -> list[Offer] | str:
    """Returns the reason as a string if the read fails.

    ElevenLabs searches names and labels as they are, and labels have codes of languages instead of names. If the search
    term is the name of a language, its voices are added from the first page of all voices.
    """
    language = language_code(search)
    try:
        client = connect(patience=READ_PATIENCE_S, urgent=True)
        found = client.list_voices(search=search or None, page_size=MAX_VOICES).voices
        if language:
            listed = client.list_voices(page_size=MAX_PAGE_SIZE).voices
            found += [voice for voice in listed if voice.labels.get("language") == language and voice not in found]
    except (ElevenLabsError, ValueError) as error:
        return str(error)
    offers = _offers(found[:MAX_VOICES])
    _store(offers)
    return offers


def _offers(voices: Iterable[Voice]) -> list[Offer]:
    """Leaves out voices with unencodable text (half of a surrogate pair), which would break every page that has one."""
    return [Offer.of(voice) for voice in voices if not unstorable(voice.raw)]


def _read_llms() -> list[LlmOffer] | str:
    try:
        models = connect(patience=READ_PATIENCE_S, urgent=True).list_llms()
    except (ElevenLabsError, ValueError) as error:
        return str(error)
    offers = []
    for model in models:
        if unstorable(model.raw):
            continue
        replacement = (model.deprecation_info or {}).get("replacement_model")
        note = "deprecated" if model.deprecated else ""
        if note and replacement:
            note = f"deprecated, use {replacement}"
        offers.append(LlmOffer(model.llm, note))
    return offers


def _store(offers: Iterable[Offer], seconds: int = NAMES_TTL) -> None:
    cache.set_many({_cache_key("voice", offer.voice_id): offer for offer in offers}, seconds)


def _cache_key(what: str, about: str = "") -> str:
    """`about` may be any user input. Cache keys cannot be long or have blanks, so anything unusual is hashed."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,64}", about):
        about = "~" + hashlib.sha256(about.encode(errors="surrogatepass")).hexdigest()
    return f"agents:{slugify(settings.ELEVENLABS_BASE_URL)}:{what}:{about}"
