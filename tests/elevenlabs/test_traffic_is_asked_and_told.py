"""A transport asks before each attempt whether it may send, and tells what came of it; nobody knows it otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controlplane.elevenlabs import (
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    Limited,
    NotFound,
    Outcome,
    RecordResult,
    Unavailable,
    transport,
)

from .conftest import KEY

PAGE = b'{"agents": [], "has_more": false, "next_cursor": null}'
MADE = b'{"agent_id": "agent_1"}'


class Notes:
    """A traffic that writes down what it is asked and told, and says no as often as it was given reasons."""

    def __init__(self, *reasons: ElevenLabsError) -> None:
        self.reasons = list(reasons)
        self.asked: list[tuple[str, bool, float]] = []
        self.results: list[type[ElevenLabsError] | None] = []
        self.inside = 0  # how many are under way
        self.inside_when_told: list[int] = []

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        self.asked.append((method, urgent, seconds))
        if self.reasons:
            raise self.reasons.pop(0)
        self.inside += 1
        yield self.tell
        self.inside -= 1

    def tell(self, error: ElevenLabsError | None) -> None:
        self.results.append(type(error) if error else None)
        self.inside_when_told.append(self.inside)


def answers(*replies):
    left = list(replies)

    def script(wire):
        while wire.take():
            wire.reply(*(left.pop(0) if len(left) > 1 else left[0]))

    return script


def client_with(traffic: Notes, server, *, urgent: bool = False, patience: float = 45.0) -> ElevenLabs:
    waits: list[float] = []
    client = ElevenLabs.with_transport(
        transport.Transport(
            server.url, KEY, write_deadline=6, patience=patience, traffic=traffic, urgent=urgent, sleep=waits.append
        )
    )
    client.waits = waits  # type: ignore[attr-defined]
    return client


def held_back(retry_after: float | None = None) -> Limited:
    return Limited("Not now.", retry_after=retry_after, outcome=Outcome.NOT_SENT)


def test_each_attempt_is_asked_for_and_told(serve):
    traffic = Notes()
    server = serve(answers((b"", "503 Busy"), (PAGE, "200 OK"), (MADE, "200 OK"), (b"{}", "404 Not Found")))
    client = client_with(traffic, server, urgent=True)
    client.list_agents()
    client.create_agent({})
    with pytest.raises(ElevenLabsError):
        client.delete_agent("agent_1")
    assert [(method, urgent) for method, urgent, _ in traffic.asked] == [
        ("GET", True),
        ("GET", True),
        ("POST", True),
        ("DELETE", True),
    ]
    assert traffic.results[:3] == [Unavailable, None, None]
    assert traffic.results[3] is not None
    assert traffic.inside == 0


def test_it_is_told_before_the_next_one_may_go(serve):
    """The answer is read whole and told while the place is still held."""
    traffic = Notes()
    server = serve(answers((b'{"detail": {"status": "document_not_found"}}', "404 Not Found")))
    with pytest.raises(NotFound):
        client_with(traffic, server).get_agent("agent_1")
    assert (traffic.results, traffic.inside_when_told, traffic.inside) == ([NotFound], [1], 0)


@pytest.mark.parametrize("reason", [KeyRefused("No.", outcome=Outcome.NOT_SENT), held_back()])
def test_what_must_not_be_sent_is_not_sent_and_not_asked_for_again(reason, serve):
    server = serve(answers((MADE, "200 OK")))
    for call in ("list_agents", "create_agent"):
        client = client_with(Notes(reason), server)
        with pytest.raises(type(reason)) as caught:
            client.create_agent({}) if call == "create_agent" else client.list_agents()
        assert caught.value.outcome is Outcome.NOT_SENT
        assert (client.last_call.tries, client.last_call.status, client.waits) == (0, None, [])
    assert server.connections == 0


def test_a_read_that_is_told_when_waits_and_goes_then(serve):
    """What was kept back is no try: three may follow."""
    traffic = Notes(held_back(4), held_back(3), held_back(2), held_back(1))
    server = serve(answers((b"", "503 Busy"), (b"", "503 Busy"), (PAGE, "200 OK")))
    client = client_with(traffic, server)
    assert client.list_agents().rows == []
    assert client.last_call.tries == 3
    assert [round(wait) for wait in client.waits[:3]] == [4, 3, 2]
    assert len(client.waits) == 4 + 2


def test_it_does_not_wait_longer_than_its_patience(serve):
    server = serve(answers((PAGE, "200 OK")))
    client = client_with(Notes(*[held_back(4)] * 9), server, patience=15)
    with pytest.raises(Limited):
        client.list_agents()
    assert len(client.waits) == 3
    assert server.connections == 0


def test_a_write_is_never_held_for_later(serve):
    server = serve(answers((MADE, "200 OK")))
    client = client_with(Notes(held_back(1)), server)
    with pytest.raises(Limited):
        client.create_agent({})
    assert (client.waits, server.connections) == ([], 0)


def test_a_write_that_waited_for_its_turn_has_its_whole_deadline_after(serve, monkeypatch):
    """Else a busy moment here would become an answer that came too late, and nobody could know what it did."""
    clock = [1000.0]
    deadlines = []
    flight = transport.CallDeadline
    monkeypatch.setattr(transport.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(transport, "CallDeadline", lambda seconds: [deadlines.append(seconds), flight(seconds)][1])

    class Slow(Notes):
        @contextmanager
        def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
            clock[0] += seconds
            with super().turn(method, urgent=urgent, seconds=seconds) as results:
                yield results

    traffic = Slow()
    client = client_with(traffic, serve(answers((MADE, "200 OK"), (PAGE, "200 OK"))), patience=8)
    client.create_agent({})
    client.list_agents()
    assert [seconds for _, _, seconds in traffic.asked] == [3, 4]  # half of what there is
    assert deadlines == [6, 4]
