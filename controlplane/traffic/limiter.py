"""Limits concurrent requests across all processes. Requests that a person waits for go first."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.elevenlabs import Limited, Outcome
from controlplane.traffic.locks import Locks, Question, Release

SHORTEST_LOOK, LONGEST_LOOK = 0.002, 0.025  # seconds between two looks for a free slot


class ConcurrencyLimiter:
    """Each slot is a lock. Whoever is urgent and has to wait shares the lock "queue" meanwhile; the rest take a slot
    only at a moment when nobody does."""

    def __init__(self, locks: Locks, name: str, slots: int) -> None:
        self._locks = locks
        self._slots = [f"{name}-slot-{at}" for at in range(slots)]
        self._queue = f"{name}-queue"

    @contextmanager
    def slot(self, *, urgent: bool, seconds: float) -> Iterator[bool]:
        """Held inside; gives whether it had to be waited for. Raises `Limited` (NOT_SENT) when none came free."""
        release = self.at_once(urgent=urgent)
        waited = release is None
        if release is None:
            release = self._wait(urgent, seconds)
        try:
            yield waited
        finally:
            release()

    def at_once(self, *, urgent: bool, unless_found: Question | None = None) -> Release | None:
        """A slot, where one is free at this moment and the database finds nothing that is in the way."""
        return self._locks.first_free(self._slots, unless="" if urgent else self._queue, unless_found=unless_found)

    def _wait(self, urgent: bool, seconds: float) -> Release:
        ends = time.monotonic() + seconds
        pause = SHORTEST_LOOK
        leave: Release | None = None
        try:
            while (left := ends - time.monotonic()) > 0:
                if urgent and leave is None:
                    leave = self._locks.share(self._queue)
                time.sleep(min(left, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - so that two do not keep step
                pause = min(2 * pause, LONGEST_LOOK)
                if (release := self.at_once(urgent=urgent)) is not None:
                    return release
        finally:
            if leave is not None:
                leave()
        raise Limited(
            "Too many requests to ElevenLabs are under way here, so nothing was sent. Try again in a moment.",
            outcome=Outcome.NOT_SENT,
        )
