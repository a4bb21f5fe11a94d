"""Fills a workspace with plausible agents and numbers, the same ones every time except for their ids."""

import json
from collections.abc import Iterator
from typing import Any

from .storage import Storage, new_id

ROLES = (
    "Support",
    "Sales",
    "Reception",
    "Billing",
    "Booking",
    "After hours",
    "Claims",
    "Dispatch",
    "Survey",
    "Returns",
)
PLACES = ("Boston", "Chicago", "Denver", "Austin", "Seattle", "Miami", "Atlanta", "Phoenix", "Portland", "Newark")
AREA_CODES = (617, 312, 303, 512, 206, 305, 404, 602, 503, 973, 212, 415, 213, 713, 215, 702, 615, 919, 801, 612)
# Voice, language, and the speech model that the language requires.
SPEECH = (
    ("cjVigY5qzO86Huf0OWal", "en", "eleven_flash_v2"),
    ("EXAVITQu4vr4xnSDxMaL", "en", "eleven_turbo_v2"),
    ("IKne3meq5aSn9XLyUdCD", "en", "eleven_flash_v2"),
    ("sbxGreta0deHalloWelt", "de", "eleven_flash_v2_5"),
    ("XrExE9yKIg1WjnnlVkGX", "en", "eleven_flash_v2"),
    ("sbxMarta00esHola0000", "es", "eleven_flash_v2_5"),
)
LLMS = ("gemini-2.5-flash", "gpt-4o-mini", "claude-haiku-4-5", "gemini-3.5-flash")


def seed(state: Storage, *, agents: int, numbers: int) -> None:
    """Fill up to this many of each; existing objects count."""
    with state.transaction():
        have = count(state, "agents")
        state.db.executemany(
            "INSERT INTO agents (agent_id, name, name_key, tags, voice_id, archived, created_at, updated_at,"
            " conversation_config, platform_settings, version_id, branch_id)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, '{}', ?, ?)",
            agent_rows(have, agents, int(state.now())),
        )
        agent_ids = [row[0] for row in state.db.execute("SELECT agent_id FROM agents WHERE NOT archived ORDER BY seq")]
        # Queried once, not per row: a number created manually may already have one of the generated numbers.
        taken = {row[0] for row in state.db.execute("SELECT phone_number FROM numbers")}
        state.db.executemany(
            "INSERT INTO numbers (phone_number_id, phone_number, label, label_key, provider, agent_id,"
            " supports_inbound, supports_outbound, listed_at) VALUES (?, ?, ?, ?, 'twilio', ?, 1, 1, 0)",
            number_rows(numbers - len(taken), taken, agent_ids),
        )


def count(state: Storage, table: str) -> int:
    total: int = state.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a name from this module
    return total


def agent_rows(start: int, end: int, now: int) -> Iterator[tuple[Any, ...]]:
    for at in range(start, end):
        role, place = ROLES[at % len(ROLES)], PLACES[at // len(ROLES) % len(PLACES)]
        series = at // (len(ROLES) * len(PLACES))
        name = f"{role} {place}" + (f" {series + 1}" if series else "")
        voice, language, model = SPEECH[at % len(SPEECH)]
        config = {
            "agent": {
                "first_message": f"Hello, this is {role.lower()} in {place}. How can I help?",
                "language": language,
                "prompt": {
                    "prompt": f"You answer calls for the {role.lower()} team in {place}. Be brief, kind and exact.",
                    "llm": LLMS[at % len(LLMS)],
                },
            },
            "tts": {"voice_id": voice, "model_id": model, "expressive_mode": False},
        }
        made = now - (end - at) * 3600
        ids = (new_id("agtvrsn"), new_id("agtbrch"))
        tags = json.dumps([role.lower(), "demo"])
        yield new_id("agent"), name, name.casefold(), tags, voice, made, made, json.dumps(config), *ids


def number_rows(missing: int, taken: set[str], agent_ids: list[str]) -> Iterator[tuple[Any, ...]]:
    at = made = 0
    while made < missing:
        area = AREA_CODES[at % len(AREA_CODES)]
        line = at // len(AREA_CODES)
        phone_number = f"+1{area}{555 + line // 10_000}{line % 10_000:04d}"
        at += 1
        if phone_number in taken:
            continue
        # One in ten has no agent; the others are spread evenly.
        agent_id = agent_ids[made % len(agent_ids)] if agent_ids and made % 10 != 9 else None
        label = f"{ROLES[made % len(ROLES)]} line {made + 1}"
        made += 1
        yield new_id("phnum"), phone_number, label, label.casefold(), agent_id
