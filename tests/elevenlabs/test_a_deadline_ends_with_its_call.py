"""A connection outlives the call that used it, so a late timer must find nothing to end."""

import socket

from controlplane.elevenlabs.connection import Flight


def test_a_timer_that_comes_late_leaves_the_connection_alone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Flight(60) as flight:
            flight.holds(ours)
        flight._expire()
        assert not flight.timed_out
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
    assert flight._timer.finished.is_set()


def test_a_timer_that_comes_in_time_ends_both_directions():
    ours, theirs = socket.socketpair()
    with ours, theirs, Flight(60) as flight:
        flight.holds(ours)
        flight._expire()
        assert flight.timed_out
        assert theirs.recv(1) == b""
        assert ours.recv(1) == b""
