"""The interface through which a transport asks whether a request may be sent, and reports its result.

Who counts what is under way in other processes, and how, is not this package's business: see `controlplane.traffic`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from .errors import ElevenLabsError

RecordResult = Callable[[ElevenLabsError | None], None]  # None: a success


class Traffic(Protocol):
    def turn(self, method: str, *, urgent: bool, seconds: float) -> AbstractContextManager[RecordResult]:
        """Held while one request is under way, until its answer is read; what it gives is told the outcome.

        Entering waits for at most `seconds`. It raises an ElevenLabsError whose outcome is NOT_SENT where nothing may
        be sent; one with `retry_after` says when to ask again. Neither telling nor leaving ever raises.
        """
        ...


class Unlimited:
    """Nobody else is there."""

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        yield _ignore


def _ignore(error: ElevenLabsError | None) -> None:
    pass
