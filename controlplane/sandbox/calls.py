"""A bounded log of all calls, in memory."""

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from .messages import Json

MAX_CALLS = 20_000


@dataclass(slots=True)
class Arrival:
    id: int
    at: float
    method: str
    path: str
    query: str
    trace_id: str
    status: int | None = None  # None: not answered yet; 0: never answered (hung up, reset, not HTTP)
    fault: str | None = None


class CallLog:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.last_id = 0
        self.clear()

    def clear(self) -> None:
        with self.changed:
            self.kept: deque[Arrival] = deque(maxlen=MAX_CALLS)
            self.total = 0
            self.in_flight = 0
            self.peak_in_flight = 0

    def arrived(self, method: str, path: str, query: str, trace_id: str) -> Arrival:
        with self.changed:
            self.last_id += 1
            arrival = Arrival(self.last_id, time.time(), method, path, query, trace_id)
            self.kept.append(arrival)
            self.total += 1
            self.in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            self.changed.notify_all()
            return arrival

    def ended(self, arrival: Arrival, status: int) -> None:
        """May be called more than once; the first call counts."""
        with self.changed:
            if arrival.status is None:
                arrival.status = status
                self.in_flight = max(0, self.in_flight - 1)
                self.changed.notify_all()

    def report(self, *, since: int, method: str, path: str, wait: float, answered: bool) -> Json:
        """The calls after `since`. With `wait`, blocks until one matches or the seconds have passed."""

        def matching() -> list[Arrival]:
            return [
                call
                for call in self.kept
                if call.id > since
                and method in ("*", call.method)
                and fnmatchcase(call.path, path)
                and (not answered or call.status is not None)
            ]

        with self.changed:
            if wait:
                self.changed.wait_for(matching, timeout=wait)
            return {
                "total": self.total,
                "last_id": self.last_id,
                "in_flight": self.in_flight,
                "peak_in_flight": self.peak_in_flight,
                "calls": [asdict(call) for call in matching()],
            }
