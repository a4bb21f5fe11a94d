"""A connection is used by later calls, so a late timer must not affect it."""

import os
import socket
from queue import Queue
from time import monotonic

from controlplane.elevenlabs import watchdog
from controlplane.elevenlabs.connection import CallDeadline


def test_a_timer_that_comes_late_leaves_the_connection_alone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with CallDeadline(60) as flight:
            flight.holds(ours)
        flight._expire()
        assert not flight.timed_out
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"


def test_a_timer_that_comes_in_time_ends_both_directions():
    ours, theirs = socket.socketpair()
    with ours, theirs, CallDeadline(60) as flight:
        flight.holds(ours)
        flight._expire()
        assert flight.timed_out
        assert theirs.recv(1) == b""
        assert ours.recv(1) == b""


def test_the_first_to_end_is_not_held_up_by_one_that_began_before():
    ended: Queue[str] = Queue()
    dog = watchdog.Watchdog()
    now = monotonic()
    for name, seconds in (("long", 60), ("second", 0.1), ("first", 0.05), ("past", -1)):
        dog.at(now + seconds, lambda name=name: ended.put(name))
    assert [ended.get(timeout=30) for _ in range(3)] == ["past", "first", "second"]
    assert ended.empty()


def test_a_child_keeps_its_own_deadlines():
    """A fork does not copy the threads of its parent."""
    watchdog.at(monotonic() + 60, lambda: None)  # so that the thread exists
    child = os.fork()
    if not child:
        ours, theirs = socket.socketpair()
        theirs.settimeout(30)
        with CallDeadline(0.05) as flight:
            flight.holds(ours)
            ended = theirs.recv(1) == b""
        os._exit(0 if ended and flight.timed_out else 1)
    assert os.waitpid(child, 0)[1] == 0
