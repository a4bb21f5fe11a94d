"""Decides whether errors while reading single objects end a sync."""

from collections.abc import Callable

from controlplane.elevenlabs import BadShape, ElevenLabsError, KeyRefused, Limited, NoConnection, Unclear

STOPPING = (KeyRefused, NoConnection, Limited)  # errors about the remote as a whole: the next read would fail too
UNCLEAR_IN_A_ROW = 3  # a single object may be broken at the remote; this many in a row are an outage


class OutageDetector:
    def __init__(self, quarantine: Callable[[object, str], None]) -> None:
        self._quarantine, self._in_a_row = quarantine, 0

    def over(self) -> None:
        self._in_a_row = 0

    def stops(self, remote_id: str, error: ElevenLabsError) -> bool:
        """Quarantine the object. True if the run should stop instead of reading on."""
        if isinstance(error, STOPPING):
            return True
        self._quarantine(remote_id, str(error))
        # A rejection or an invalid response is a clear answer about one object. Three unclear ones are an outage.
        clear = isinstance(error, BadShape) or not isinstance(error, Unclear)
        self._in_a_row = 0 if clear else self._in_a_row + 1
        return self._in_a_row >= UNCLEAR_IN_A_ROW
