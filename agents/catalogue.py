"""Voices and language models as ElevenLabs offers them, kept for a short while: pages read them, nothing depends on
them. A remote that cannot be read is asked again after half a minute, and its page still works."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from django.utils.connection import ConnectionProxy
from django.utils.text import slugify

from controlplane.elevenlabs import ElevenLabsError, Voice, connect

cache = ConnectionProxy(caches, "catalogue")

PATIENCE = 5.0  # seconds that a page waits for a list that it can do without
LLMS_FOR = 600
VOICES_FOR = 60
NAMES_FOR = 24 * 3600
UNREAD_FOR = 30
MOST_VOICES = 30
NAMES_PAGES = 5


class Unread(Exception):
    """ElevenLabs could not be read; the text says why."""


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
        labels = [
            voice.category,
            *(voice.labels.get(name) for name in ("gender", "age", "accent", "language", "use_case")),
        ]
        words = tuple(str(label).replace("_", " ") for label in labels if isinstance(label, str) and label)
        preview = voice.preview_url or ""
        return cls(
            voice.voice_id,
            voice.name,
            words,
            voice.description or "",
            preview if preview.startswith(("https://", "http://")) else "",
        )


@dataclass(frozen=True)
class LlmOffer:
    name: str
    note: str = ""


def voices(search: str = "") -> list[Offer]:
    """At most a page of them. Raises `Unread`."""
    key = _key("voices", hashlib.sha256(search.encode()).hexdigest())
    found: list[Offer] | str | None = cache.get(key)
    if found is None:
        found = _read_voices(search)
        cache.set(key, found, UNREAD_FOR if isinstance(found, str) else VOICES_FOR)
    if isinstance(found, str):
        raise Unread(found)
    return found


def llms() -> list[LlmOffer]:
    """Raises `Unread`."""
    key = _key("llms")
    found: list[LlmOffer] | str | None = cache.get(key)
    if found is None:
        found = _read_llms()
        cache.set(key, found, UNREAD_FOR if isinstance(found, str) else LLMS_FOR)
    if isinstance(found, str):
        raise Unread(found)
    return found


def voice_names(ids: Iterable[str]) -> dict[str, str]:
    """The names that were read lately, from memory alone: a list of agents never waits for ElevenLabs."""
    keys = {_key("voice", voice_id): voice_id for voice_id in ids if voice_id}
    return {keys[key]: name for key, name in cache.get_many(keys).items()}


def learn_voice_names(ids: Iterable[str]) -> dict[str, str]:
    """As `voice_names`, reading those that are missing. An id that ElevenLabs does not list gets an empty name."""
    wanted = {voice_id for voice_id in ids if voice_id}
    known = voice_names(wanted)
    token: str | None = None
    try:
        client = connect(patience=PATIENCE)
        for _ in range(NAMES_PAGES):
            if wanted <= known.keys():
                return known
            page = client.list_voices(page_token=token, page_size=100)
            _remember(Offer.of(voice) for voice in page.voices)
            known |= {voice.voice_id: voice.name for voice in page.voices if voice.voice_id in wanted}
            token = page.next_page_token
            if not page.has_more:
                break
    except (ElevenLabsError, ValueError):
        return known
    unlisted = dict.fromkeys(wanted - known.keys(), "")
    cache.set_many({_key("voice", voice_id): "" for voice_id in unlisted}, LLMS_FOR)
    return known | unlisted


def voice(voice_id: str) -> Offer:
    """One voice for the form: by what was read lately, or by its id alone."""
    return Offer(voice_id, voice_names([voice_id]).get(voice_id) or "")


def _read_voices(search: str) -> list[Offer] | str:
    try:
        page = connect(patience=PATIENCE).list_voices(search=search or None, page_size=MOST_VOICES)
    except (ElevenLabsError, ValueError) as error:
        return str(error)
    offers = [Offer.of(voice) for voice in page.voices]
    _remember(offers)
    return offers


def _read_llms() -> list[LlmOffer] | str:
    try:
        models = connect(patience=PATIENCE).list_llms()
    except (ElevenLabsError, ValueError) as error:
        return str(error)
    offers = []
    for model in models:
        instead = (model.deprecation_info or {}).get("replacement_model")
        note = (
            f"deprecated, use {instead}" if model.deprecated and instead else "deprecated" if model.deprecated else ""
        )
        offers.append(LlmOffer(model.llm, note))
    return offers


def _remember(offers: Iterable[Offer]) -> None:
    cache.set_many({_key("voice", offer.voice_id): offer.name for offer in offers}, NAMES_FOR)


def _key(*parts: str) -> str:
    return ":".join(("agents", slugify(settings.ELEVENLABS_BASE_URL), *parts))
