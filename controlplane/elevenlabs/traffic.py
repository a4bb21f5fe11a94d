"""The interface through which a transport asks whether a request may be sent, and reports its result.

How requests of other processes are counted is not this package's concern: see `controlplane.traffic`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from .errors import ElevenLabsError

RecordResult = Callable[[ElevenLabsError | None], None]  # None: success


class Traffic(Protocol):
    def turn(self, method: str, *, urgent: bool, seconds: float) -> AbstractContextManager[RecordResult]:
        """Held while one request is in progress, until its response is read. Yields a function that records the result.

        Entering waits for at most `seconds`. It raises an ElevenLabsError with the outcome NOT_SENT if nothing may be
        sent; `retry_after` then says when to try again. Neither recording nor leaving ever raises.
        """
        ...


class Unlimited:
    """For a process that shares the workspace with no other."""

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        yield _ignore


def _ignore(error: ElevenLabsError | None) -> None:
    pass
