"""An export of the history is read in batches without a lock between them, and hostile texts are read back exactly."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from django.db import connection, connections, transaction

from controlplane.audit import export, ledger
from controlplane.audit.models import Entry

HOSTILE = [
    *("=1+1", "'=1", "\t=", "@x", "-1", "+1", "+15550100123", "-2+3", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")'),
    *("@SUM(A1)", "'", "''", "'''", "' =1", " =1", "\t", "\r", "\n", "\r\n", "a\nb\r\nc", "\n=1", "\r=1", "\t'x"),
    *('"', '""', '"=1"', "a,b;c", "\u202eevil\u202c", "\u200f=1", "\u200b=1", "\ufeff=1", "\uff1d1", "\uff0b1"),
    *("é😀", "\u2028x\u2029", "\x01\x1f\x7f", "<script>alert(1)</script>", "{{ 7*7 }}", "%00", "\\N", "DDE('x')"),
    *("0x1", "1e5", "TRUE", "", " ", "|x", "%x"),
]
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture
def hostile(db) -> list[Entry]:
    entries = [
        ledger.entry(
            "number.changed", "number", "n", text, before={"label": text}, after={text: [text]},
            cause=ledger.Cause(Entry.Cause.OPERATION, "1", None, text, text),
        )
        for text in HOSTILE
    ]  # fmt: skip
    with transaction.atomic():
        ledger.record(*entries)
    return list(Entry.objects.order_by("at", "pk"))


def test_forty_hostile_strings_are_read_back_exactly_and_none_is_a_formula(hostile):
    assert len(set(HOSTILE)) >= 40
    text = "".join(export.csv_lines(Entry.objects.all()))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(hostile)
    for row, entry in zip(rows, hostile, strict=True):
        assert not [cell for cell in row.values() if cell.startswith(RUNS)]
        back = {name: export.unescape_formula(cell) for name, cell in row.items()}
        assert (back["object_name"], back["actor_name"], back["reason"]) == (entry.object_name,) * 3
        assert (json.loads(back["before"]), json.loads(back["after"])) == (entry.before, entry.after)
    for line, entry in zip("".join(export.json_lines(Entry.objects.all())).split("\n"), hostile, strict=False):
        assert json.loads(line)["reason"] == entry.reason


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_no_entry_is_missing_or_repeated_between_batches(size, record_entries, db, monkeypatch):
    monkeypatch.setattr(export, "BATCH_ROWS", size)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: moment)  # all at the same time
        record_entries(4)
    record_entries(3)
    rows = [json.loads(line)["id"] for line in export.json_lines(Entry.objects.all())]
    assert rows == [entry.pk for entry in Entry.objects.order_by("at", "pk")]
    assert len(rows) == 7


@pytest.mark.django_db(transaction=True)
def test_others_can_write_during_a_slow_export(record_entries, monkeypatch):
    monkeypatch.setattr(export, "BATCH_ROWS", 2)
    record_entries(5)
    lines = export.json_lines(Entry.objects.filter(pk__lte=Entry.objects.latest("pk").pk))
    assert json.loads(next(lines))
    assert not connection.in_atomic_block
    other = connections.create_connection("default")
    try:
        other.ensure_connection()
        with other.cursor() as cursor:
            if other.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout = 0")
                cursor.execute("BEGIN EXCLUSIVE")
            else:
                cursor.execute("SET lock_timeout = '100ms'")
                cursor.execute("BEGIN")
                cursor.execute("LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    record_entries(1)
    assert len(list(lines)) == 4
