"""A connection is kept for the next call as long as it can be trusted, and is never shared."""

import threading

import pytest

from controlplane.elevenlabs import ElevenLabsError, Unclear, transport

from .conftest import MADE, PAGE
from .faults import answers


def closes_kept_connections(wire):
    """Answers once, and closes the connection when the next request arrives: an expired keep-alive."""
    if wire.take():
        wire.reply(MADE)
    wire.take()


def test_a_connection_is_kept_from_a_read_to_the_write_that_follows(serve, client_of):
    server = serve(answers(MADE))
    client = client_of(server)
    with pytest.raises(ElevenLabsError):
        client.list_agents()
    client.create_agent({})
    client.create_agent({})
    assert server.connections == 1


def test_a_write_does_not_trust_a_connection_that_was_quiet(serve, client_of, monkeypatch):
    server = serve(closes_kept_connections)
    client = client_of(server)
    client.create_agent({})
    with pytest.raises(Unclear):  # what would happen: nothing was done, but the outcome is unknown
        client.create_agent({})
    client.create_agent({})
    monkeypatch.setattr(transport, "STALE_AFTER_S", -1.0)
    assert client.create_agent({}) == "agent_1"
    assert server.connections == 3


def test_a_read_gets_over_a_kept_connection_that_ran_out(serve, client_of):
    replies = [PAGE, PAGE]

    def script(wire):
        wire.take()
        wire.reply(replies.pop())
        wire.take()

    client = client_of(serve(script))
    client.list_agents()
    assert client.list_agents().rows == []
    assert client.last_call.tries == 2


def test_threads_do_not_share_connections(serve, client_of):
    server = serve(answers(MADE))
    client = client_of(server)
    together = threading.Barrier(4)

    def run():
        together.wait(10)
        for _ in range(5):
            client.create_agent({})
        transport._adapter().close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(server.requests) == 20
    assert server.connections == 4


def test_a_call_that_came_in_time_does_not_end_the_next_one_on_the_same_connection(serve, client_of):
    """The timer of the first call must not shut down the socket that the second one uses by then."""
    first_is_over = threading.Event()

    def script(wire):
        wire.take()
        wire.reply(MADE)
        wire.take()
        first_is_over.wait(10)
        wire.reply(MADE)

    server = serve(script)
    client_of(server, deadline=0.3).create_agent({})
    timer = threading.Timer(0.5, first_is_over.set)
    timer.start()
    assert client_of(server, deadline=10).create_agent({}) == "agent_1"
    assert server.connections == 1


def test_a_fork_does_not_share_the_parents_socket(serve, client_of, monkeypatch):
    server = serve(answers(MADE))
    client = client_of(server)
    client.create_agent({})
    parents = transport._adapter()
    monkeypatch.setattr("os.getpid", lambda: 1)
    client.create_agent({})
    assert transport._adapter() is not parents
    assert server.connections == 2
    transport._adapter().close()
    parents.close()
