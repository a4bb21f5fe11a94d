"""Limits concurrent requests across all processes. Requests that a person waits for go first."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.elevenlabs import Limited, Outcome
from controlplane.traffic.locks import Locks, Question, Release

MIN_POLL_S, MAX_POLL_S = 0.002, 0.025  # seconds between two polls for a free slot


class ConcurrencyLimiter:
    """Each slot is a lock. An urgent request that has to wait shares the lock "queue" meanwhile; other requests take a
    slot only while no one holds it."""

    def __init__(self, locks: Locks, name: str, slots: int) -> None:
        self._locks = locks
        self._slots = [f"{name}-slot-{at}" for at in range(slots)]
        self._queue = f"{name}-queue"

    @contextmanager
    def slot(self, *, urgent: bool, seconds: float) -> Iterator[bool]:
        """Holds a slot within the block, and yields whether it had to wait. Raises `Limited` (NOT_SENT) if none became
        free."""
        release = self.at_once(urgent=urgent)
        waited = release is None
        if release is None:
            release = self._wait(urgent, seconds)
        try:
            yield waited
        finally:
            release()

    def at_once(self, *, urgent: bool, unless_found: Question | None = None) -> Release | None:
        """A slot, if one is free right now and the query finds no obstacle."""
        return self._locks.first_free(self._slots, unless="" if urgent else self._queue, unless_found=unless_found)

    def _wait(self, urgent: bool, seconds: float) -> Release:
        deadline = time.monotonic() + seconds
        pause = MIN_POLL_S
        leave_queue: Release | None = None
        try:
            while (remaining := deadline - time.monotonic()) > 0:
                if urgent and leave_queue is None:
                    leave_queue = self._locks.share(self._queue)
                time.sleep(min(remaining, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - desynchronizes waiters
                pause = min(2 * pause, MAX_POLL_S)
                if (release := self.at_once(urgent=urgent)) is not None:
                    return release
        finally:
            if leave_queue is not None:
                leave_queue()
        raise Limited(
            "Too many requests to ElevenLabs are under way here, so nothing was sent. Try again in a moment.",
            outcome=Outcome.NOT_SENT,
        )
