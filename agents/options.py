"""Languages and voice models to choose from, as ElevenLabs documents them. Any other value that an agent already has
remains selectable."""

from collections.abc import Iterable

from controlplane.templatetags.names import visible

# https://help.elevenlabs.io/hc/en-us/articles/29298127196945
LANGUAGES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "zh": "Chinese",
    "hr": "Croatian",
    "cs": "Czech",
    "da": "Danish",
    "nl": "Dutch",
    "en": "English",
    "tl": "Filipino",
    "fi": "Finnish",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "ms": "Malay",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "pt-br": "Portuguese (Brazil)",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "es": "Spanish",
    "sv": "Swedish",
    "ta": "Tamil",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
}

VOICE_MODELS = {
    "eleven_flash_v2": "Flash v2",
    "eleven_flash_v2_5": "Flash v2.5",
    "eleven_multilingual_v2": "Multilingual v2",
    "eleven_v3_conversational": "v3 Conversational",
    "eleven_v4": "v4",
    "eleven_v4_turbo": "v4 Turbo",
    "eleven_turbo_v2": "Turbo v2 (deprecated: use Flash v2)",
    "eleven_turbo_v2_5": "Turbo v2.5 (deprecated: use Flash v2.5)",
}

# ElevenLabs refuses a voice model that does not fit the language: "English Agents must use turbo or flash v2",
# "Non-english Agents must use turbo or flash v2_5". Models in neither tuple are not checked here.
ENGLISH_MODELS = ("eleven_flash_v2", "eleven_multilingual_v2", "eleven_turbo_v2")
OTHER_MODELS = ("eleven_flash_v2_5", "eleven_turbo_v2_5")


def language_name(code: str) -> str:
    return LANGUAGES.get(code) or visible(code)


def language_code(name: str) -> str | None:
    """The code of a language, given its English name in any case."""
    return next((code for code, known in LANGUAGES.items() if known.casefold() == name.strip().casefold()), None)


def models_for(language: str) -> tuple[str, ...]:
    """The voice models known to suit a language, the best first."""
    return ENGLISH_MODELS if _is_english(language) else OTHER_MODELS


def suits(model: str, language: str) -> bool:
    """False only if ElevenLabs is known to reject the combination."""
    return model not in (OTHER_MODELS if _is_english(language) else ENGLISH_MODELS)


def choices(names: dict[str, str], *more: str) -> list[tuple[str, str]]:
    """The known values with their names, followed by stored or submitted values (`more`) that are not among them."""
    unknown = [
        (value, f"{visible(value)} (not in the list)") for value in dict.fromkeys(more) if value and value not in names
    ]
    return [*names.items(), *unknown]


def listed(values: Iterable[str]) -> str:
    """ "a, b or c"."""
    *first, last = list(values)
    return f"{', '.join(first)} or {last}" if first else last


def _is_english(language: str) -> bool:
    return language.split("-")[0] == "en"
