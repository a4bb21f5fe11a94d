"""A whole run on the sandbox: what it did there, what it reports, and what it leaves behind, which is nothing."""

import json
from pathlib import Path

import pytest

from controlplane.audit.models import Entry
from controlplane.lifecycle import exclusive_run, steps
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import Finding, judged, numbered
from controlplane.operations.models import Operation
from numbers.sync import sync_all
from tests.lifecycle.conftest import (
    MOVE,
    PROMPT,
    SID,
    TOKEN,
    everything_kept,
    newest,
    nothing_is_left,
    step,
    verdicts,
)
from tests.lifecycle.test_the_document import is_such_a_document
from tests.operations.consistency_checks import violations
from tests.running import ROOT
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db

ORDER = [
    "create",
    "wrong credentials",
    "malformed SID",
    "key SID alone",
    "not in the account",
    "import",
    "listed",
    "assign",
    "create",
    "swap",
    "read back",
    "look",
    "import again",
    "assign in use",
    "assign to nobody",
    "assign to empty",
    "label null",
    "unassign",
    "bind to archived",
    "merge",
    "delete bound",
    "orphaned",
    "remove",
    "delete",
]


def test_a_whole_run(given, lifecycle, remote, tmp_path):
    """The one whole run of the gate; all that holds of a run is looked for in it."""
    given()
    status, printed = lifecycle("--report", str(tmp_path))
    assert status == 0, printed
    text = (tmp_path / "findings.md").read_text()
    everything_is_as_assumed(tmp_path)
    nothing_is_there_any_more(remote)
    each_write_is_an_operation_and_counted_as_it_went_over_the_wire(remote)
    what_our_checks_would_refuse_is_marked_and_goes_past_them_alone()
    refusals_are_reported_with_status_and_body(text)
    each_numbered_line_is_in_the_report_and_no_other(text)
    the_document_names_the_command_for_the_lines_that_it_settles()
    no_credential_and_no_prompt_is_kept(tmp_path, printed)
    is_such_a_document(text)


def everything_is_as_assumed(folder: Path) -> None:
    assert newest().state == Report.State.AS_ASSUMED
    data = json.loads((folder / "findings.json").read_text())
    assert [one["name"] for one in data["steps"]] == ORDER
    assert {one["outcome"] for one in data["steps"]} == {"as assumed"}
    assert data == newest().data
    assert data["hot_swap"] == 1
    assert data["left"] == []


def nothing_is_there_any_more(remote: Sandbox) -> None:
    assert nothing_is_left(remote)
    assert violations(remote) == [], "operations, the sandbox's ledger and the mirror agree"
    run = sync_all()
    assert run is not None
    assert (run.state, run.added, run.changed, run.gone) == ("complete", 0, 0, 0)


def each_write_is_an_operation_and_counted_as_it_went_over_the_wire(remote: Sandbox) -> None:
    sent = [call for call in remote.calls() if call["method"] != "GET"]
    steps = newest().data["steps"]
    assert sum(one["writes"] for one in steps) == len(sent)
    assert Operation.objects.exclude(sent_at=None).count() == len(sent)
    assert {op.reason.partition(",")[0] for op in Operation.objects.all()} == {"manage.py lifecycle"}
    assert Entry.objects.filter(kind="operation.sent").count() == len(sent)
    swap = step("swap")
    assert (swap["requests"], swap["writes"], swap["status"]) == (3, 1, 200)
    by_trace = {call["trace_id"]: call for call in remote.calls()}
    assert all(by_trace[one["trace_id"]]["status"] == one["status"] for one in steps if one["trace_id"])


def what_our_checks_would_refuse_is_marked_and_goes_past_them_alone() -> None:
    alone = {one["name"]: one["operation"] for one in newest().data["steps"] if one["way"] == "client alone"}
    assert set(alone) == {
        *("import again", "assign in use", "assign to nobody", "assign to empty", "label null"),
        *("bind to archived", "delete bound"),
    }
    probes = Operation.objects.filter(kind__endswith=".probe")
    assert {op.title.partition(":")[0] for op in probes} == {"Probe, sent without our own check"}
    assert probes.count() == len(alone)
    assert not Operation.objects.filter(pk__in=alone.values()).exclude(sent_at__isnull=False).exists()


def refusals_are_reported_with_status_and_body(text: str) -> None:
    refused = {
        one["name"]: (one["status"], json.loads(one["body"])["detail"]) for one in newest().data["steps"] if one["body"]
    }
    statuses = {name: status for name, (status, _) in refused.items()}
    assert statuses == {
        "wrong credentials": 400,
        "malformed SID": 400,
        "key SID alone": 400,
        "not in the account": 400,
        "import again": 409,
        "assign to nobody": 404,
        "assign to empty": 404,
    }
    assert refused["wrong credentials"][1]["status"] == "twilio_error"
    assert refused["import again"][1]["code"] == "resource_already_exists"
    assert text.count("| 409 |") == 2, "in the steps and among the refusals"
    assert "not about ElevenLabs" in text


def each_numbered_line_is_in_the_report_and_no_other(text: str) -> None:
    lines = [line.number for line in numbered()]
    assert lines == list(range(1, len(lines) + 1))
    assert (
        len(lines) == sum(row.startswith("| ") for row in (ROOT / "docs/assumptions.md").read_text().splitlines()) - 1
    )
    assert list(verdicts()) == lines
    rows = text.partition("## Assumptions")[2].splitlines()
    assert [int(row.split("|")[1]) for row in rows if row.startswith("| ") and row[2].isdigit()] == lines


def the_document_names_the_command_for_the_lines_that_it_settles() -> None:
    """Line 55 is settled only where wrong credentials get a 401."""
    settled = {number for number, verdict in verdicts().items() if verdict != "not tried"} | {55}
    assert settled == {line.number for line in numbered() if "lifecycle" in line.confirmed_by}


def no_credential_and_no_prompt_is_kept(folder: Path, printed: str) -> None:
    kept = everything_kept(folder, printed)
    assert SID not in kept
    assert TOKEN not in kept
    assert PROMPT not in json.dumps(newest().data) + "".join(file.read_text() for file in folder.iterdir()) + printed


def test_a_finding_about_a_line_that_does_not_exist_is_an_error_of_ours():
    with pytest.raises(ValueError, match="no line 99"):
        judged([Finding(99, True, "")])
    one_against_many = [Finding(1, True, "Yes."), Finding(1, False, "No.")]
    assert judged(one_against_many)[0]["verdict"] == "refuted"


def test_rounds_give_percentiles(only, lifecycle, monkeypatch):
    """Of the first round and of the shorter ones after it."""
    only("create", "import", "listed")
    monkeypatch.setattr(exclusive_run, "LATER", [steps.create(steps.SUPPORT), steps.delete(steps.SUPPORT)])
    status, printed = lifecycle("--repeat", "3")
    assert status == 0, printed
    figures = {one["name"]: one for one in newest().data["latencies"]}
    counts = {name: one["count"] for name, one in figures.items()}
    assert counts == {"create": 4, "import": 1, "listed": 1, "delete": 2}
    assert figures["listed"]["p50"] == figures["listed"]["p95"] == 1000 * MOVE
    assert all(one["p50"] <= one["p95"] for one in figures.values())


@pytest.mark.slow
def test_whole_rounds_give_percentiles(lifecycle):
    status, printed = lifecycle("--repeat", "3")
    assert status == 0, printed
    counts = {one["name"]: one["count"] for one in newest().data["latencies"]}
    assert counts == {"create": 6, "import": 3, "listed": 3, "assign": 3, "swap": 3, "remove": 3, "delete": 5}
