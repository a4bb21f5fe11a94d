"""Decides whether errors while reading single objects end a sync."""

from controlplane.elevenlabs import BadShape, ElevenLabsError, KeyRefused, Limited, NoConnection, Unclear
from controlplane.mirror.writer import MirrorWriter

STOPPING = (KeyRefused, NoConnection, Limited)  # about the whole remote: the next object would fare no better
UNCLEAR_IN_A_ROW = 3  # one object may be broken over there; so many after another are not


class OutageDetector:
    def __init__(self, writer: MirrorWriter) -> None:
        self._keeper, self._in_a_row = writer, 0

    def over(self) -> None:
        self._in_a_row = 0

    def stops(self, remote_id: str, error: ElevenLabsError) -> bool:
        """Leave the object out; True if the error says that there is no use in going on."""
        if isinstance(error, STOPPING):
            return True
        self._keeper.leave_out(remote_id, str(error))
        # "No" and "this makes no sense" are clear answers about one object. Three without an answer are an outage.
        clear = isinstance(error, BadShape) or not isinstance(error, Unclear)
        self._in_a_row = 0 if clear else self._in_a_row + 1
        return self._in_a_row >= UNCLEAR_IN_A_ROW
