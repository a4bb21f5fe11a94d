"""The reads of `live_check`, and what they show about the numbered assumptions."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from controlplane.elevenlabs import (
    Agent,
    Attempt,
    BadShape,
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    NotFound,
    Page,
    is_id,
    recording,
)
from controlplane.elevenlabs.error_mapping import http_date
from controlplane.lifecycle.report import Finding

NO_SUCH_LIST = frozenset({405, 410, 501})  # besides 404: statuses by which a remote may say that it has no such list


@dataclass
class Read:
    """One GET, with its response or error."""

    what: str
    scope: str
    answer: Any = None
    error: ElevenLabsError | None = None
    attempt: Attempt | None = None
    offset: float | None = None  # the remote clock minus ours, in seconds

    @property
    def missing_scope(self) -> str:
        """The scope that the key lacks for this read."""
        if isinstance(self.error, KeyRefused) and self.error.is_missing_permission:
            return self.error.permission or self.scope
        return ""

    @property
    def failure(self) -> str:
        """The error, unless it is that of a missing scope."""
        return f"{self.what}: {self.error}" if self.error is not None and not self.missing_scope else ""

    @property
    def is_paged(self) -> bool:
        """Of the numbers: whether the paged list was read last, not the older one."""
        return self.attempt is not None and "/v2/" in self.attempt.path

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Of a list, or the one agent."""
        if isinstance(self.answer, Page):
            return self.answer.rows
        return [self.answer.raw] if isinstance(self.answer, Agent) else []

    @property
    def number_ids(self) -> set[str] | None:
        """Of a list that fits on one page; None if there are more pages, or none."""
        is_whole = isinstance(self.answer, Page) and not self.answer.has_more
        return {str(row.get("phone_number_id")) for row in self.rows} if is_whole else None


READS: list[tuple[str, str, Callable[[ElevenLabs], Any]]] = [
    ("agents", "convai_read", lambda client: client.list_agents()),
    ("archived agents", "convai_read", lambda client: client.list_agents(archived=True)),
    ("numbers", "convai_read", lambda client: client.list_numbers(page_size=1000)),
    ("voices", "voices_read", lambda client: client.list_voices()),
    ("language models", "models_read", lambda client: client.list_llms()),
    ("workspace", "user_read", lambda client: client.get_user()),
]


def get(client: ElevenLabs, what: str, scope: str, fetch: Callable[[ElevenLabs], Any]) -> Read:
    read = Read(what, scope)
    started = time.time()
    with recording() as wire:
        try:
            read.answer = fetch(client)
        except ElevenLabsError as error:
            read.error = error
    middle = (started + time.time()) / 2
    if wire:
        read.attempt = wire[-1]
    if len(wire) == 1 and wire[0].date and (remote := http_date(wire[0].date)) is not None:
        read.offset = remote.timestamp() + 0.5 - middle  # the header has whole seconds: 0.5 s on average is missing
    return read


def first_agent(client: ElevenLabs, reads: list[Read]) -> Read | None:
    """Reads the first listed agent that has a valid id."""
    ids = (row.get("agent_id") for read in reads if "agents" in read.what for row in read.rows)
    agent_id = next((one for one in ids if isinstance(one, str) and is_id(one)), None)
    return get(client, "one agent", "convai_read", lambda client: client.get_agent(agent_id)) if agent_id else None


def findings(client: ElevenLabs, reads: list[Read]) -> Iterator[Finding]:
    """If an assumption is in doubt, a few more reads distinguish a refutation from a temporary error."""
    by_name = {read.what: read for read in reads}
    numbers, agents, agent = by_name["numbers"], by_name["agents"], by_name.get("one agent")
    if numbers.is_paged:
        yield from _paged_list(client, numbers)
    elif numbers.error is None:
        yield Finding(43, True, "There is no paged list of numbers, and its 404 was read as that.", part=True)
    if agents.attempt is not None and agents.attempt.names:
        yield Finding(42, "has_more" in agents.attempt.names, "`has_more` was in the list of agents.", part=True)
    if agent is not None and (agent.error is None or isinstance(agent.error, BadShape)):
        yield Finding(48, agent.error is None, "The times of an agent were read as whole seconds.")


def _paged_list(client: ElevenLabs, numbers: Read) -> Iterator[Finding]:
    """Whether a large page is accepted, and whether the older list has the same numbers; or whether the paged list is
    missing with an unexpected error."""

    def paged() -> Read:
        return get(client, "numbers", "convai_read", lambda client: client.list_numbers())

    def older() -> Read:
        return get(client, "numbers", "convai_read", lambda client: client.list_numbers_legacy())

    if numbers.error is not None:
        status = numbers.error.status
        if status in (400, 422) and paged().error is None:
            yield Finding(29, False, f"A page of 1000 numbers was refused ({status}), one of 100 was not.")
        is_missing = isinstance(numbers.error, NotFound) or status in NO_SUCH_LIST
        if is_missing and older().error is None:
            yield Finding(43, False, f"The paged list of numbers is missing, but not as a wrong path ({status}).")
        return
    yield Finding(29, True, "A page of 1000 numbers was accepted.", part=True)
    if (ids := numbers.number_ids) is None or (older_ids := older().number_ids) is None:
        return
    lacks = ids - older_ids
    if lacks and (ids_again := paged().number_ids) is not None:
        lacks &= ids_again  # what was removed in the meantime is in neither
    words = f"lacks {len(lacks)} of the {len(ids)} numbers" if lacks else f"has each of the {len(ids)} numbers"
    yield Finding(43, not lacks, f"The older list {words} of the paged one.", part=True)
