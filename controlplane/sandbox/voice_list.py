"""The voices of the sandbox's workspace."""

from typing import NamedTuple

from .data_files import load


class Voice(NamedTuple):
    voice_id: str
    name: str
    gender: str
    age: str
    accent: str
    language: str
    use_case: str
    description: str
    category: str = "premade"


VOICES = tuple(Voice(**voice) for voice in load("voices"))
BY_ID = {voice.voice_id: voice for voice in VOICES}
