"""History as a file: CSV or JSON lines, row by row, so that a million of them need no more memory than one."""

import csv
import json
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
AT_A_TIME = 1000


class Echo:
    """What `csv` writes to; it hands each line on."""

    def write(self, line: str) -> str:
        return line


def harmless(text: str) -> str:
    """No formula. One leading apostrophe is to be taken away by who reads it back: see `as_written`."""
    return f"'{text}" if text.startswith((*RUNS, "'")) else text


def as_written(cell: str) -> str:
    return cell.removeprefix("'")


def csv_lines(entries: QuerySet[Entry]) -> Iterator[str]:
    writer = csv.writer(Echo())
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
    rows = list(entries.values(*FIELDS)[:AT_A_TIME])
    while rows:
        yield from rows
        at, pk = rows[-1]["at"], rows[-1]["id"]
        rows = list(entries.filter(Q(at__gt=at) | Q(pk__gt=pk), at__gte=at).values(*FIELDS)[:AT_A_TIME])


def _as_text(row: dict[str, Any]) -> list[Any]:
    told = {"at": row["at"].isoformat(), "before": json.dumps(row["before"]), "after": json.dumps(row["after"])}
    return list((row | told).values())
