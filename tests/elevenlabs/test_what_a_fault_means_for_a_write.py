"""What each fault on the wire means for a write, that the write is sent only once, and that a read is bounded."""

import tracemalloc

import pytest

from controlplane.elevenlabs import NotSent, Outcome, TimedOut

from .faults import (
    REFUSED,
    TIMED_OUT,
    UNCLEAR,
    bomb,
    close_after_request,
    close_at_once,
    gzip_bomb,
    not_http,
    read,
    reset_after_request,
    truncated,
    truncated_chunks,
    write,
)

LONG = 60  # seconds; `deadlines_pass` ends the calls that time out


@pytest.mark.parametrize("fault", [*UNCLEAR, *TIMED_OUT, *REFUSED])
def test_a_write_is_sent_once_and_its_outcome_is_reported(fault, serve, client_of, deadlines_pass):
    script = {**UNCLEAR, **TIMED_OUT, **REFUSED}[fault]
    server = serve(script, **({"stuck": deadlines_pass} if fault in TIMED_OUT else {}))
    client = client_of(server, deadline=LONG)
    error = write(client)
    assert error.outcome == (Outcome.REFUSED if fault in REFUSED else Outcome.UNKNOWN)
    assert isinstance(error, TimedOut) == (fault in TIMED_OUT)
    assert server.connections == 1
    assert len(server.requests) == (0 if script is close_at_once else 1)
    assert "\n" not in str(error)
    assert client.last_call.tries == 1
    assert error.status in {None, client.last_call.status}


@pytest.mark.parametrize("fault", [*UNCLEAR, *TIMED_OUT, *REFUSED])
def test_a_read_is_tried_three_times_at_most(fault, serve, client_of, deadlines_pass):
    script = {**UNCLEAR, **TIMED_OUT, **REFUSED}[fault]
    server = serve(script, **({"stuck": deadlines_pass} if fault in TIMED_OUT else {}))
    client = client_of(server, deadline=LONG)
    read(client)
    again = fault in {"429", "502 html", "503", "504"} or script in {
        close_at_once, close_after_request, reset_after_request, not_http, truncated, truncated_chunks,
    }  # fmt: skip
    assert client.last_call.tries == (3 if again else 1)
    assert len(client.waits) == client.last_call.tries - 1
    if script is not close_at_once:
        assert len(server.requests) == client.last_call.tries


def test_the_clock_ends_a_call(serve, client_of):
    """The other tests of this file let deadlines expire by hand."""
    error = write(client_of(serve(TIMED_OUT["headers drip"]), deadline=0.5))
    assert isinstance(error, TimedOut | NotSent)  # NotSent: on a machine too busy to connect in time


def test_a_gzip_bomb_is_not_unpacked_into_memory(serve, client_of):
    client = client_of(serve(gzip_bomb))
    bomb()
    tracemalloc.start()
    try:
        write(client)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
