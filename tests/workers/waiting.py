"""Wait until a condition is true, no longer than necessary."""

import time
from collections.abc import Callable

TIMEOUT_S = 30.0  # long enough for a busy machine


def until(happened: Callable[[], object], what: str, seconds: float = TIMEOUT_S) -> None:
    """Poll, and fail if it has not happened in time."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
