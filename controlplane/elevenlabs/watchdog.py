"""One thread that enforces the deadlines of all calls of a process."""

import os
import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import monotonic

Expire = Callable[[], None]  # fast, and harmless for a call that has ended


class Watchdog:
    def __init__(self) -> None:
        self._due: list[tuple[float, int, Expire]] = []  # a heap; ended calls stay in it until their deadline
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def at(self, moment: float, expire: Expire) -> None:
        """`moment` is a value of `time.monotonic`."""
        with self._changed:
            heappush(self._due, (moment, next(self._numbers), expire))
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif self._due[0][2] is expire:  # earlier than the deadline it waits for
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > monotonic():
                    self._changed.wait(self._due[0][0] - monotonic() if self._due else None)
                _, _, expire = heappop(self._due)
            expire()


_of_this_process = Watchdog()


def at(moment: float, expire: Expire) -> None:
    _of_this_process.at(moment, expire)


def _start_after_fork() -> None:
    """A child process has none of its parent's threads, and may have been forked while one of them held the lock."""
    global _of_this_process
    _of_this_process = Watchdog()


os.register_at_fork(after_in_child=_start_after_fork)
