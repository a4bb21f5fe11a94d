"""A transport requests permission for each attempt and reports its result, so the traffic control knows them all."""

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


class RecordingTraffic:
    """A traffic control that records what it is called with, and refuses as often as it was given reasons."""

    def __init__(self, *reasons: ElevenLabsError) -> None:
        self.reasons = list(reasons)
        self.requests: list[tuple[str, bool, float]] = []
        self.results: list[type[ElevenLabsError] | None] = []
        self.in_flight = 0  # how many are in flight
        self.in_flight_at_result: list[int] = []

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        self.requests.append((method, urgent, seconds))
        if self.reasons:
            raise self.reasons.pop(0)
        self.in_flight += 1
        yield self.record_result
        self.in_flight -= 1

    def record_result(self, error: ElevenLabsError | None) -> None:
        self.results.append(type(error) if error else None)
        self.in_flight_at_result.append(self.in_flight)


def answers(*replies):
    left = list(replies)

    def script(wire):
        while wire.take():
            wire.reply(*(left.pop(0) if len(left) > 1 else left[0]))

    return script


def client_with(traffic: RecordingTraffic, server, *, urgent: bool = False, patience: float = 45.0) -> ElevenLabs:
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


def test_each_attempt_is_requested_and_reported(serve):
    traffic = RecordingTraffic()
    server = serve(answers((b"", "503 Busy"), (PAGE, "200 OK"), (MADE, "200 OK"), (b"{}", "404 Not Found")))
    client = client_with(traffic, server, urgent=True)
    client.list_agents()
    client.create_agent({})
    with pytest.raises(ElevenLabsError):
        client.delete_agent("agent_1")
    assert [(method, urgent) for method, urgent, _ in traffic.requests] == [
        ("GET", True),
        ("GET", True),
        ("POST", True),
        ("DELETE", True),
    ]
    assert traffic.results[:3] == [Unavailable, None, None]
    assert traffic.results[3] is not None
    assert traffic.in_flight == 0


def test_a_result_is_reported_before_the_next_call_may_start(serve):
    """The whole response is read and reported while the slot is still held."""
    traffic = RecordingTraffic()
    server = serve(answers((b'{"detail": {"status": "document_not_found"}}', "404 Not Found")))
    with pytest.raises(NotFound):
        client_with(traffic, server).get_agent("agent_1")
    assert (traffic.results, traffic.in_flight_at_result, traffic.in_flight) == ([NotFound], [1], 0)


@pytest.mark.parametrize("reason", [KeyRefused("No.", outcome=Outcome.NOT_SENT), held_back()])
def test_a_refused_call_is_neither_sent_nor_requested_again(reason, serve):
    server = serve(answers((MADE, "200 OK")))
    for call in ("list_agents", "create_agent"):
        client = client_with(RecordingTraffic(reason), server)
        with pytest.raises(type(reason)) as caught:
            client.create_agent({}) if call == "create_agent" else client.list_agents()
        assert caught.value.outcome is Outcome.NOT_SENT
        assert (client.last_call.tries, client.last_call.status, client.waits) == (0, None, [])
    assert server.connections == 0


def test_a_read_with_a_retry_time_waits_and_is_sent_then(serve):
    """A postponed call is not an attempt: three may follow."""
    traffic = RecordingTraffic(held_back(4), held_back(3), held_back(2), held_back(1))
    server = serve(answers((b"", "503 Busy"), (b"", "503 Busy"), (PAGE, "200 OK")))
    client = client_with(traffic, server)
    assert client.list_agents().rows == []
    assert client.last_call.tries == 3
    assert [round(wait) for wait in client.waits[:3]] == [4, 3, 2]
    assert len(client.waits) == 4 + 2


def test_it_does_not_wait_longer_than_its_patience(serve):
    server = serve(answers((PAGE, "200 OK")))
    client = client_with(RecordingTraffic(*[held_back(4)] * 9), server, patience=15)
    with pytest.raises(Limited):
        client.list_agents()
    assert len(client.waits) == 3
    assert server.connections == 0


def test_a_write_is_never_held_for_later(serve):
    server = serve(answers((MADE, "200 OK")))
    client = client_with(RecordingTraffic(held_back(1)), server)
    with pytest.raises(Limited):
        client.create_agent({})
    assert (client.waits, server.connections) == ([], 0)


def test_a_write_that_waited_for_its_turn_has_its_whole_deadline_after(serve, monkeypatch):
    """Otherwise a busy moment here would become a response that is too late, and its effect would be unknown."""
    clock = [1000.0]
    deadlines = []
    flight = transport.CallDeadline
    monkeypatch.setattr(transport.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(transport, "CallDeadline", lambda seconds: [deadlines.append(seconds), flight(seconds)][1])

    class Slow(RecordingTraffic):
        @contextmanager
        def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
            clock[0] += seconds
            with super().turn(method, urgent=urgent, seconds=seconds) as results:
                yield results

    traffic = Slow()
    client = client_with(traffic, serve(answers((MADE, "200 OK"), (PAGE, "200 OK"))), patience=8)
    client.create_agent({})
    client.list_agents()
    assert [seconds for _, _, seconds in traffic.requests] == [3, 4]  # half of the available time
    assert deadlines == [6, 4]
