"""Waiting for something to become true, as short as it takes."""

import time
from collections.abc import Callable

LONGEST = 30.0  # seconds; what takes longer has failed, on a busy machine too


def until(happened: Callable[[], object], what: str, seconds: float = LONGEST) -> None:
    """Looks again and again, and fails if it has not happened by then."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
