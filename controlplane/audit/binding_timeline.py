"""Draws which agent answered a number over time, to scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from controlplane.audit import point_in_time
from controlplane.audit.point_in_time import Span

SPANS = {"7": "7 days", "30": "30 days", "all": "All"}
COLOURS = 6  # number of colours; further agents reuse them from the first


@dataclass(frozen=True)
class Piece:
    """One span as drawn, in percent of the strip. `colour` is 0 where no agent answered."""

    span: Span
    left: float
    width: float
    colour: int


@dataclass(frozen=True)
class Strip:
    number_id: str
    chosen: str
    begins: datetime
    ends: datetime
    pieces: Sequence[Piece]  # oldest first

    @property
    def newest_first(self) -> list[Piece]:
        return list(reversed(self.pieces))

    @property
    def key(self) -> list[tuple[int, Span]]:
        """The legend: each agent once with its colour, in chronological order, and the empty agent where none
        answered."""
        return list({piece.span.agent_id: (piece.colour, piece.span) for piece in self.pieces}.values())


def of_number(number_id: str, chosen: str = "30") -> Strip:
    """The last `chosen` days, or all that is known. Has no pieces if the history does not know this number."""
    spans, now = list(point_in_time.bindings_of(number_id)), timezone.now()
    known_since = (spans[0].begins or point_in_time.history_begins_at() or now) if spans else now
    begins = known_since if chosen == "all" else max(known_since, now - timedelta(days=int(chosen)))
    inside = [span for span in spans if span.ends is None or span.ends > begins]
    agents = list(dict.fromkeys(span.agent_id for span in inside if span.agent_id))
    whole = max((now - begins).total_seconds(), 1e-3)
    pieces = []
    for span in inside:
        left = max((span.begins or begins) - begins, timedelta()).total_seconds()
        width = ((span.ends or now) - max(span.begins or begins, begins)).total_seconds()
        colour = agents.index(span.agent_id) % COLOURS + 1 if span.agent_id else 0
        pieces.append(Piece(span, round(100 * left / whole, 3), round(100 * width / whole, 3), colour))
    return Strip(number_id, chosen, begins, now, pieces)
