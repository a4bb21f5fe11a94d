"""A chart of latencies on a logarithmic scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    words: str
    count: int
    p50: str
    p95: str
    at50: str  # positions on the scale, as CSS percentages
    at95: str
    between: str


@dataclass(frozen=True)
class Chart:
    rows: list[Row]
    ticks: list[tuple[str, str]]  # (position, label)


def chart(latencies: Sequence[dict[str, Any]]) -> Chart:
    longest = max((one["p95"] for one in latencies), default=1)
    decades = max(math.ceil(math.log10(max(longest, 1))), 1)

    def position(milliseconds: float) -> float:
        return 100 * math.log10(max(milliseconds, 1)) / decades

    rows = [
        Row(
            one["words"],
            one["count"],
            in_words(one["p50"]),
            in_words(one["p95"]),
            _percent(position(one["p50"])),
            _percent(position(one["p95"])),
            _percent(position(one["p95"]) - position(one["p50"])),
        )
        for one in latencies
    ]
    return Chart(rows, [(_percent(100 * at / decades), in_words(10**at)) for at in range(decades + 1)])


def in_words(milliseconds: float) -> str:
    """ "6 ms", "5.1 s"."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == round(seconds) else f"{seconds:.1f} s"


def _percent(value: float) -> str:
    return f"{value:.2f}%"
