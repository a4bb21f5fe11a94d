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
# A spreadsheet would take what begins so for a formula; some, in East Asia, also the wide forms of these signs.
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
# What a spreadsheet may take for the end of a cell: which one it is depends on the country of whoever opens the file.
ENDS = r";,\t|\r\n"
_BEGINS_OF_CELLS = rf"""(?:\A|(?<=[{ENDS}]))"""
_RUNS = rf"""(?="*['{re.escape("".join(RUNS))}])"""  # also behind quotes, which are not part of a cell's value
BATCH_ROWS = 1000


_TO_BE_QUOTED = re.compile(_BEGINS_OF_CELLS + _RUNS)
_QUOTED = re.compile(_BEGINS_OF_CELLS + "'" + _RUNS)


class Echo:
    """What `csv` writes to; it hands each line on."""

    def write(self, line: str) -> str:
        return line


def harmless(text: str) -> str:
    """No formula, also where a program splits the cell at another separator than ours. At each place where a cell may
    begin, an apostrophe stands before what could be run, and before what is an apostrophe already."""
    return _TO_BE_QUOTED.sub("'", text)


def as_written(cell: str) -> str:
    """Exactly the text that `harmless` was given."""
    return _QUOTED.sub("", cell)


def writer_of_lines() -> Any:
    """Its `writerow` gives the line. Every cell is quoted: a separator of another country does not end it."""
    return csv.writer(Echo(), quoting=csv.QUOTE_ALL)


def csv_lines(entries: QuerySet[Entry]) -> Iterator[str]:
    writer = writer_of_lines()
    yield writer.writerow(FIELDS)
    for row in _rows(entries):
        yield writer.writerow([harmless(value) if isinstance(value, str) else value for value in _as_text(row)])


def json_lines(entries: QuerySet[Entry]) -> Iterator[str]:
    for row in _rows(entries):
        yield json.dumps(row | {"at": row["at"].isoformat()}) + "\n"


def _rows(entries: QuerySet[Entry]) -> Iterator[dict[str, Any]]:
    """In the order of time, in pieces: nothing is held between two of them, neither rows nor a transaction, so an
    export that somebody takes slowly is in nobody's way. Each piece goes on where an index was left."""
    entries = entries.order_by("at", "pk")
    rows = list(entries.values(*FIELDS)[:BATCH_ROWS])
    while rows:
        yield from rows
        at, pk = rows[-1]["at"], rows[-1]["id"]
        rows = list(entries.filter(Q(at__gt=at) | Q(pk__gt=pk), at__gte=at).values(*FIELDS)[:BATCH_ROWS])


def _as_text(row: dict[str, Any]) -> list[Any]:
    told = {"at": row["at"].isoformat(), "before": json.dumps(row["before"]), "after": json.dumps(row["after"])}
    return list((row | told).values())
