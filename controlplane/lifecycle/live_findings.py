"""What the reads of `live_check` say about the numbered assumptions."""

from collections.abc import Iterator

from controlplane.elevenlabs import BadShape, ElevenLabs, NotFound, Page
from controlplane.lifecycle.assumptions import Finding
from controlplane.lifecycle.live_reads import Read, get

NO_SUCH_LIST = frozenset({405, 410, 501})  # besides 404: statuses by which a remote may say that it has no such list


def findings(client: ElevenLabs, reads: list[Read]) -> Iterator[Finding]:
    """If an assumption is in doubt, a few more reads distinguish a refutation from a temporary error."""
    numbers = next(read for read in reads if read.what == "numbers")
    if numbers.attempt is not None and "/v2/" in numbers.attempt.path:
        yield from _page_size(client, numbers)
        yield from _two_lists(client, numbers)
    elif numbers.error is None:
        yield Finding(43, True, "There is no paged list of numbers, and its 404 was read as that.", part=True)
    names = {read.what: read.attempt.names for read in reads if read.attempt is not None and read.attempt.names}
    if "agents" in names:
        yield Finding(42, "has_more" in names["agents"], "`has_more` stood in the list of agents.", part=True)
    agent = next((read for read in reads if read.what == "one agent"), None)
    if agent is not None and (agent.error is None or isinstance(agent.error, BadShape)):
        yield Finding(48, agent.error is None, "The times of an agent were read as whole seconds.")


def _page_size(client: ElevenLabs, numbers: Read) -> Iterator[Finding]:
    if numbers.error is None:
        yield Finding(29, True, "A page of 1000 numbers was accepted.", part=True)
    elif numbers.error.status in (400, 422) and _paged(client).error is None:
        yield Finding(29, False, f"A page of 1000 numbers was refused ({numbers.error.status}), one of 100 was not.")


def _two_lists(client: ElevenLabs, numbers: Read) -> Iterator[Finding]:
    """Compare the older list with the paged one, if both exist; or find the paged list missing with an unexpected
    error."""
    if numbers.error is not None:
        missing = isinstance(numbers.error, NotFound) or numbers.error.status in NO_SUCH_LIST
        if missing and _older(client).error is None:
            words = f"The paged list of numbers is missing ({numbers.error.status}), and is not told as a wrong path."
            yield Finding(43, False, words)
        return
    if (paged := _whole(numbers)) is None or (older := _whole(_older(client))) is None:
        return
    lacks = paged - older
    if lacks and (paged_again := _whole(_paged(client))) is not None:
        lacks &= paged_again  # what was removed in the meantime is in neither
    words = f"lacks {len(lacks)} of the {len(paged)} numbers" if lacks else f"has each of the {len(paged)} numbers"
    yield Finding(43, not lacks, f"The older list {words} of the paged one.", part=True)


def _paged(client: ElevenLabs) -> Read:
    return get(client, "numbers", "convai_read", lambda client: client.list_numbers())


def _older(client: ElevenLabs) -> Read:
    return get(client, "numbers", "convai_read", lambda client: client.list_numbers_legacy())


def _whole(read: Read) -> set[str] | None:
    """The ids of a list that fits on one page; None if there are more pages."""
    if not isinstance(read.answer, Page) or read.answer.has_more:
        return None
    return {str(row.get("phone_number_id")) for row in read.answer.rows}
