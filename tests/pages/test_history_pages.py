"""History as auditors see it: searchable, each entry complete, and read-only."""

import csv
import io
import json

import pytest
from django.db import transaction

from controlplane.audit import chain, ledger
from controlplane.audit import export as files
from controlplane.audit.models import Entry
from controlplane.operations.models import Operation

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/entry/"


@pytest.fixture
def auditor(sign_in):
    return sign_in("Auditors")


def add_entry(kind: str, object_type: str, object_id: str, name: str, **more) -> Entry:
    cause = more.pop("cause", ledger.Cause(Entry.Cause.SYNC, "7"))
    entry = ledger.entry(kind, object_type, object_id, name, cause=cause, **more)
    with transaction.atomic():
        ledger.record(entry)
    return entry


@pytest.fixture
def entries(workspace) -> dict[str, Entry]:
    op = Operation.objects.create(
        kind="number.assign", key="k", resource="number:1", state="done", title="Move +1 from A to B", actor_name="ada"
    )
    by_operation = ledger.Cause(Entry.Cause.OPERATION, str(op.pk), None, "ada", "Ticket 4711")
    sales, bound = workspace.sales.remote_id, workspace.bound.remote_id
    renamed = {"before": {"name": "Old"}, "after": {"name": "New <b>"}}
    return {
        "agent": add_entry("agent.changed", "agent", sales, "Sales Bot", **renamed),
        "operation": add_entry(
            "operation.done", "number", bound, "+15550100123", cause=by_operation, after={"asked": "Move it"}
        ),
        "hold": add_entry("hold.opened", "sync", "7", "40 of 300 numbers", after={"missing": "40"}),
        "outside": add_entry("outside.adopted", "agent", "agent_x", "Sales Bot", after={"change": "name"}),
    }


@pytest.mark.parametrize("what", ["agent", "operation", "hold", "outside"])
def test_the_filter_finds_matching_entries(what, auditor, entries):
    rows = auditor.get(LIST, {"what": what}).context_data["cl"].result_list
    assert entries[what].pk in [row.pk for row in rows]
    assert not {entry.pk for name, entry in entries.items() if name != what} & {row.pk for row in rows}


@pytest.mark.parametrize("term", ["ada", "4711", "+15550100123"])
def test_people_reasons_and_numbers_are_found(term, auditor, entries):
    rows = auditor.get(LIST, {"q": term}).context_data["cl"].result_list
    assert [row.pk for row in rows] == [entries["operation"].pk]


def test_an_entry_is_shown_whole(auditor, entries):
    page = auditor.get(f"{LIST}{entries['agent'].pk}/change/").content.decode()
    assert "New &lt;b&gt;" in page
    assert "Before and after" in page
    assert "found by sync 7; no operation explains it" in page
    assert "not yet; a worker seals it within seconds" in page
    chain.seal()
    assert (
        f"link {Entry.objects.count()} of the chain"
        in auditor.get(f"{LIST}{Entry.objects.latest('pk').pk}/change/").content.decode()
    )
    page = auditor.get(f"{LIST}{entries['operation'].pk}/change/").content.decode()
    assert "Ticket 4711" in page
    assert "Move +1 from A to B</a>" in page


def test_those_without_the_right_see_none_of_it(sign_in, entries):
    client = sign_in(None)
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{entries['agent'].pk}/change/").status_code == 403


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_entries_cannot_be_added_or_deleted(path, admin_client, entries):
    path = LIST + path.format(entries["agent"].pk)
    before = Entry.objects.count()
    for answer in (admin_client.get(path), admin_client.post(path, {"post": "yes"})):
        assert answer.status_code in (302, 403, 404)
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": [entries["agent"].pk], "post": "yes"})
    admin_client.post(f"{LIST}{entries['agent'].pk}/change/", {"reason": "x"})
    assert Entry.objects.count() == before
    assert Entry.objects.get(pk=entries["agent"].pk).reason == ""


@pytest.mark.parametrize("pk", ["0", "x", "9" * 30, "²"])
def test_what_is_no_entry(pk, auditor):
    assert auditor.get(f"{LIST}{pk}/change/").status_code == 404


def exported(client, name: str, query: str = "") -> str:
    answer = client.post(f"{LIST}export/{query}", {"format": name})
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


HOSTILE = [
    "=1+1",
    "+15550100123",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    "'=x",
    "''",
    '"a";b,c',
    "a\nb\r\nc",
    "\u202eevil",
    "é😀",
]


def test_an_export_reads_back_exactly_and_runs_nothing(auditor, entries):
    for text in HOSTILE:
        add_entry("number.changed", "number", "n", text, after={"label": text})
    rows = list(csv.DictReader(io.StringIO(exported(auditor, "csv", "?object_type=number"), newline="")))
    names = [row["object_name"] for row in rows]
    assert not [name for name in names if name.startswith(files.FORMULA_SIGNS)]
    stored = Entry.objects.filter(object_type="number").order_by("pk")
    assert [files.unescape_formula(name) for name in names] == [entry.object_name for entry in stored]
    assert [json.loads(row["after"]) for row in rows] == [entry.after for entry in stored]
    lines = [json.loads(line) for line in exported(auditor, "jsonl", "?object_type=number").splitlines()]
    assert [line["object_name"] for line in lines] == [entry.object_name for entry in stored]


def test_an_export_is_written_down_and_holds_what_the_page_shows(auditor, entries):
    text = exported(auditor, "jsonl", "?what=hold")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [entries["hold"].pk]
    entry = Entry.objects.latest("pk")
    assert (entry.kind, entry.actor_name, entry.words) == (
        "history.exported",
        "Auditors",
        "exported as jsonl: what hold",
    )


def test_who_may_export(auditor, operator, admin_client, entries):
    assert operator.post(f"{LIST}export/", {"format": "csv"}).status_code == 403
    assert auditor.get(f"{LIST}export/").status_code == 405
    assert auditor.post(f"{LIST}export/", {"format": "exe"}).status_code == 400
    assert not Entry.objects.filter(kind="history.exported").exists()
    assert "JSON lines" in auditor.get(LIST).content.decode()
    assert "JSON lines" not in operator.get(LIST).content.decode()
