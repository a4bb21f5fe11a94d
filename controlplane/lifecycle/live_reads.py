"""The reads of `live_check`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controlplane.elevenlabs import Attempt, ElevenLabs, ElevenLabsError, recording
from controlplane.elevenlabs.error_mapping import http_date


@dataclass
class Read:
    """One GET of the list below, with its response or error."""

    what: str
    scope: str
    answer: Any = None
    error: ElevenLabsError | None = None
    attempt: Attempt | None = None
    offset: float | None = None  # the remote clock minus ours, in seconds


READS: list[tuple[str, str, Callable[[ElevenLabs], Any]]] = [
    ("agents", "convai_read", lambda client: client.list_agents()),
    ("archived agents", "convai_read", lambda client: client.list_agents(archived=True)),
    ("numbers", "convai_read", lambda client: client.list_numbers(page_size=1000)),
    ("voices", "voices_read", lambda client: client.list_voices()),
    ("language models", "models_read", lambda client: client.list_llms()),
    ("workspace", "user_read", lambda client: client.get_user()),
]


def get(client: ElevenLabs, what: str, scope: str, fetch: Callable[[ElevenLabs], Any]) -> Read:
    found = Read(what, scope)
    with recording() as wire:
        started = time.time()
        try:
            found.answer = fetch(client)
        except ElevenLabsError as error:
            found.error = error
        ended = time.time()
    if wire:
        found.attempt = wire[-1]
        if len(wire) == 1 and wire[0].date:
            found.offset = _offset(wire[0].date, (started + ended) / 2)
    return found


def _offset(date: str, ours: float) -> float | None:
    remote = http_date(date)
    # the header has whole seconds: half a second on average is missing
    return None if remote is None else remote.timestamp() + 0.5 - ours
