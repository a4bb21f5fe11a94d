"""Every text of the history is read back exactly from an export, and no spreadsheet runs it as a formula."""

import csv
import io
import json
import re
import unicodedata

import pytest
from django.db import transaction
from django.utils import timezone

from controlplane.audit import export, ledger
from controlplane.audit.models import Entry
from controlplane.lookups import MAX_SEARCH_CHARS
from tests.hostile import STRINGS, WHOLE

pytestmark = pytest.mark.django_db
TEXTS = [*STRINGS, WHOLE, "\u3000=1", "＝1+1", "＋1", "－1", "＠a", "\r\n=1", "''", "'=1", "", " ", "\n"]  # fmt: skip
SEPARATORS = ";,\t|\n\r"  # the field and line separators of various spreadsheets and locales
TEXTS += [
    f"x{separator}{begins}" for separator in SEPARATORS for begins in ('=HYPERLINK("http://x.example")', '"=1', "'-1")
]
TEXTS += [";'", ";;=1", "'", 'x;""+1']
JSON_FIELDS = ("before", "after")


@pytest.fixture
def entries() -> list[Entry]:
    """Each text in every text column, and as the name and value of a setting of a number with an agent."""
    recorded = []
    for at, text in enumerate(TEXTS):
        cause = ledger.Cause(Entry.Cause.SYNC, text[:64], actor_name=text, reason=text)
        settings = {
            "phone_number": text,
            "label": text,
            "agent_id": f"agent_{at}",
            "agent_name": text,
            text or "x": [text],
        }
        recorded.append(
            ledger.entry(
                "number.added", "number", f"phnum_{at:03}", text, cause=cause, after=settings, before={"a": text}
            )
        )
    with transaction.atomic():
        ledger.record(*recorded)
    return recorded


def cells(answer) -> list[dict[str, str]]:
    content = b"".join(answer.streaming_content).decode()
    assert [piece for piece in re.split(f"[{SEPARATORS}]", content) if runs_in_a_spreadsheet(piece.lstrip('"'))] == []
    rows = list(csv.DictReader(io.StringIO(content, newline=""), strict=True))
    assert all(None not in row and None not in row.values() for row in rows)  # all rows have the same number of cells
    return rows


def runs_in_a_spreadsheet(cell: str) -> bool:
    """Some programs skip invisible characters at the start, or normalize other characters to these."""
    return unicodedata.normalize("NFKC", cell).lstrip("\ufeff\u200b").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_csv_of_the_history(entries, admin_client):
    answer = admin_client.post("/admin/audit/entry/export/", {"format": "csv"})
    rows = cells(answer)
    stored = list(Entry.objects.order_by("pk").values(*export.FIELDS))[: len(rows)]
    assert len(rows) >= len(TEXTS)
    for row, entry in zip(rows, stored, strict=True):
        back = {name: export.unescape_formula(cell) for name, cell in row.items()}
        for name, value in entry.items():
            expected = json.dumps(value) if name in JSON_FIELDS else value.isoformat() if name == "at" else str(value)
            assert back[name] == expected
        for name in JSON_FIELDS:
            assert json.loads(back[name]) == entry[name]
        assert [cell for cell in row.values() if runs_in_a_spreadsheet(cell)] == []


def test_json_lines_of_the_history(entries, admin_client):
    answer = admin_client.post("/admin/audit/entry/export/", {"format": "jsonl"})
    lines = b"".join(answer.streaming_content).decode().removesuffix("\n").split("\n")
    rows = [json.loads(line) for line in lines]
    stored = list(Entry.objects.order_by("pk").values(*export.FIELDS))[: len(rows)]
    assert rows == [entry | {"at": entry["at"].isoformat()} for entry in stored]
    assert len(rows) >= len(TEXTS)


def test_csv_of_the_bindings_at_a_time(entries, admin_client):
    moment = timezone.localtime().strftime("%Y-%m-%dT%H:%M:%S.%f")
    rows = cells(admin_client.post(f"/admin/audit/entry/then/export/?at={moment}"))
    found = {row["number_id"]: row for row in rows}
    assert len(found) == len(TEXTS)
    for entry, text in zip(entries, TEXTS, strict=True):
        row = found[entry.object_id]
        assert [export.unescape_formula(row[name]) for name in ("number", "label", "agent")] == [text] * 3
        assert [cell for cell in row.values() if runs_in_a_spreadsheet(cell)] == []


def test_filters_of_any_text_are_recorded_in_the_entry_of_the_export(entries, admin_client):
    for text in (text for text in TEXTS if len(text) <= MAX_SEARCH_CHARS):
        answer = admin_client.post("/admin/audit/entry/export/", {"format": "csv"}, query_params={"q": text})
        assert answer.status_code == 200, repr(text)
        assert answer["Content-Disposition"].isprintable(), repr(text)
        recorded = Entry.objects.filter(kind="history.exported").latest("pk")
        assert recorded.after["told"] == f"exported as csv: {f'q {text}' if text else 'everything'}", repr(text)
