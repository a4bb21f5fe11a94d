"""Streams the history as CSV or JSON lines in constant memory."""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from controlplane.audit.models import Entry

FIELDS = (
    "id", "at", "kind", "object_type", "object_id", "object_name", "before", "after", "actor_name", "cause", "cause_id",
    "reason", "ticket",
)  # fmt: skip
# A spreadsheet treats text that begins with these as a formula; some in East Asia also accept the full-width forms.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
# What a spreadsheet may treat as a cell separator, depending on the reader's locale.
CELL_SEPARATORS = r";,\t|\r\n"
_BEGINS_OF_CELLS = rf"""(?:\A|(?<=[{CELL_SEPARATORS}]))"""
_RUNS = rf"""(?="*['{re.escape("".join(FORMULA_SIGNS))}])"""  # also after quotes, which are not part of a cell's value
BATCH_ROWS = 1000


_TO_BE_QUOTED = re.compile(_BEGINS_OF_CELLS + _RUNS)
_QUOTED = re.compile(_BEGINS_OF_CELLS + "'" + _RUNS)


class Echo:
    """File-like target for `csv.writer` that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def escape_formula(text: str) -> str:
    """Escape formulas, also for programs that split a cell at another separator than ours: wherever a cell may begin,
    an apostrophe is put before a formula sign and before an existing apostrophe."""
    return _TO_BE_QUOTED.sub("'", text)


def unescape_formula(cell: str) -> str:
    """The inverse of `harmless`: exactly the original text."""
    return _QUOTED.sub("", cell)


def line_writer() -> Any:
    """A csv writer whose `writerow` returns the line. Every cell is quoted, so another locale's separator does not end
    it."""
    return csv.writer(Echo(), quoting=csv.QUOTE_ALL)


def csv_lines(entries: QuerySet[Entry]) -> Iterator[str]:
    writer = line_writer()
    yield writer.writerow(FIELDS)
    for row in _rows(entries):
        yield writer.writerow([escape_formula(value) if isinstance(value, str) else value for value in _as_text(row)])


def json_lines(entries: QuerySet[Entry]) -> Iterator[str]:
    for row in _rows(entries):
        yield json.dumps(row | {"at": row["at"].isoformat()}) + "\n"


def _rows(entries: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    """Rows in chronological order, in batches. Neither rows nor a transaction are held between batches, so a slow
    download blocks no other query. Each batch resumes by index from the last row."""
    entries = entries.order_by("at", "pk")
    rows = list(entries.values(*FIELDS)[:BATCH_ROWS])
    while rows:
        yield from rows
        at, pk = rows[-1]["at"], rows[-1]["id"]
        rows = list(entries.filter(Q(at__gt=at) | Q(pk__gt=pk), at__gte=at).values(*FIELDS)[:BATCH_ROWS])


def _as_text(row: dict[str, Any]) -> list[Any]:
    text = {"at": row["at"].isoformat(), "before": json.dumps(row["before"]), "after": json.dumps(row["after"])}
    return list((row | text).values())
