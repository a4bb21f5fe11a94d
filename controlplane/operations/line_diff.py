"""A line-by-line diff of two texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

from controlplane.templatetags.names import spelled, visible

CONTEXT_LINES = 2  # unchanged lines shown on both sides of a difference
MAX_MATCHED_LINES = 600  # of either text; larger ones are not matched line by line, which takes quadratic time
MAX_SHOWN_LINES = 400  # the rest is counted
MAX_LINE_CHARS = 2_000  # shown of one line


@dataclass(frozen=True)
class Line:
    """`sign` is "+" (added), "-" (removed), " " (unchanged) or "" (a note about lines that are left out)."""

    sign: str
    text: str

    @property
    def word(self) -> str:
        return {"+": "added", "-": "removed"}.get(self.sign, "")


def line_diff(before: str, after: str) -> list[Line]:
    """Empty if the texts are equal."""
    if before == after:
        return []
    lines = list(_lines(before.split("\n"), after.split("\n")))
    rest = len(lines) - MAX_SHOWN_LINES
    return [*lines[:MAX_SHOWN_LINES], Line("", f"and {rest:,} lines more")] if rest > 1 else lines


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    head = _common_prefix(old, new)
    tail = min(_common_prefix(old[::-1], new[::-1]), len(old) - head, len(new) - head)
    first, last = max(0, head - CONTEXT_LINES), max(0, tail - CONTEXT_LINES)
    yield from _left_out(first, "above")
    yield from (_line(" ", line) for line in old[first:head])
    yield from _differing(old[head : len(old) - tail], new[head : len(new) - tail])
    yield from (_line(" ", line) for line in old[len(old) - tail : len(old) - last])
    yield from _left_out(last, "below")


def _common_prefix(old: list[str], new: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _differing(old: list[str], new: list[str]) -> Iterator[Line]:
    matched = max(len(old), len(new)) <= MAX_MATCHED_LINES
    whole = ("replace", 0, len(old), 0, len(new))
    for tag, start, end, start_new, end_new in SequenceMatcher(None, old, new).get_opcodes() if matched else [whole]:
        if tag != "equal":
            yield from (_line("-", line) for line in old[start:end])
            yield from (_line("+", line) for line in new[start_new:end_new])
        elif end - start <= 2 * CONTEXT_LINES + 1:
            yield from (_line(" ", line) for line in old[start:end])
        else:
            yield from (_line(" ", line) for line in old[start : start + CONTEXT_LINES])
            yield from _left_out(end - start - 2 * CONTEXT_LINES, "here")
            yield from (_line(" ", line) for line in old[end - CONTEXT_LINES : end])


def _left_out(count: int, where: str) -> Iterator[Line]:
    if count > 0:
        yield Line("", f"{count:,} line{'' if count == 1 else 's'} {where} as before")


def _line(sign: str, text: str) -> Line:
    cut = text if len(text) <= MAX_LINE_CHARS else text[:MAX_LINE_CHARS]
    more = f" [and {len(text) - MAX_LINE_CHARS:,} characters more]" if len(text) > MAX_LINE_CHARS else ""
    return Line(sign, (visible(cut) if sign == " " else spelled(cut)) + more)
