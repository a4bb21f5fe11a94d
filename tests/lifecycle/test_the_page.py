"""The last reports as a page: figures as a picture and as a table, refusals, verdicts; hostile text stays text."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import chart, duration
from tests.lifecycle.conftest import newest

pytestmark = pytest.mark.django_db

LIST = "/admin/lifecycle/report/"


@pytest.fixture
def auditor() -> Client:
    user = User.objects.create_user("olive", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="Auditors"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_run_is_on_the_list_and_on_a_page_of_its_own(only, lifecycle, remote, auditor):
    only("create", "import", "assign", "swap", "import again", "delete bound", "orphaned")
    remote.settings(after_delete="null")
    assert lifecycle()[0] == 3
    listed = text_of(auditor, LIST)
    for words in ("API check reports", "unexpected", "Sandbox", "one request", "on the sandbox", "Full report"):
        assert words in listed
    assert re.search(r'class="[^"]*field-refuted[^"]*"[^>]*>\s*9\s*<', listed)
    page = text_of(auditor, f"{LIST}{newest().pk}/change/")
    assert "This report is about the sandbox, not about ElevenLabs." in page
    assert "one request" in page
    assert "resource_already_exists" in page
    untried = sum(line["verdict"] == "not tried" for line in newest().data["assumptions"])
    assert f"{untried} were not tried" in page
    told = page.partition("<h2>Assumptions</h2>")[2]
    assert re.search(r"\d+", re.sub(r"<[^>]+>", " ", told.partition("<tbody>")[2]))[0] == "9", (
        "what is refuted is first"
    )
    for figure in newest().data["latencies"]:
        row = rf'<th scope="row">{figure["words"]}</th><td class="cp-num">{figure["count"]}</td>'
        assert f'{row}<td class="cp-num">{duration(figure["p50"])}</td>' in page
    operation = newest().data["steps"][0]["operation"]
    assert f"/admin/operations/operation/{operation}/change/" in page


def test_a_run_that_has_not_ended_and_one_that_told_nothing(auditor):
    report = Report.objects.create(base_url="http://127.0.0.1:1", actor_name="system")
    assert "not ended" in text_of(auditor, LIST)
    assert "It has not ended" in text_of(auditor, f"{LIST}{report.pk}/change/")


def test_what_the_remote_said_stays_text(lifecycle, remote, auditor):
    bad = "<script>alert(1)</script>\u202eevil"
    detail = {"type": "x", "code": bad, "message": bad, "status": bad, bad: bad}
    remote.fault("POST", "*/create", "status", status=400, body={"detail": detail})
    lifecycle()
    page = text_of(auditor, f"{LIST}{newest().pk}/change/")
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_the_remote_said_is_no_markup_of_the_document_either(lifecycle, remote, tmp_path):
    bad = "``<img src=x> | [click](javascript:x) ![](http://tracker) `<b> \\\\|<i>"
    detail = {"type": "x", "code": bad, "message": bad, "status": bad}
    remote.fault("POST", "*/create", "status", status=400, body={"detail": detail})
    lifecycle("--report", str(tmp_path))
    text = (tmp_path / "findings.md").read_text()
    assert "src=x" in text
    for row in (line for line in text.splitlines() if "src=x" in line):
        outside = re.sub(r"(`{3,}) .*? \1", "", row)
        assert not re.search(r"(?<!\\)[<`]|(?<!\\)\[", outside), outside
        cells = len(re.findall(r"\|", row)) - 1
        assert cells == (3 if outside != row else 8), "no cell more than the table has"


def test_an_address_that_is_no_report(auditor):
    for pk in ("9" * 30, "0", "x"):
        assert auditor.get(f"{LIST}{pk}/change/").status_code in (302, 404)


def figure(p50: int, p95: int) -> dict:
    return {"name": "x", "words": "X", "count": 1, "p50": p50, "p95": p95}


@pytest.mark.parametrize(
    ("p50", "p95", "ticks", "at50", "at95"),
    [
        (1, 10, ["1 ms", "10 ms"], "0.00%", "100.00%"),
        (0, 0, ["1 ms", "10 ms"], "0.00%", "0.00%"),
        (10, 1000, ["1 ms", "10 ms", "100 ms", "1 s"], "33.33%", "100.00%"),
        (1000, 5134, ["1 ms", "10 ms", "100 ms", "1 s", "10 s"], "75.00%", "92.76%"),
    ],
)
def test_the_scale(p50, p95, ticks, at50, at95):
    drawn = chart({"latencies": [figure(p50, p95)]})
    assert [words for _, words in drawn["ticks"]] == ticks
    assert (drawn["rows"][0]["at50"], drawn["rows"][0]["at95"]) == (at50, at95)


def test_what_is_kept_is_told(auditor):
    assert "API check reports" in text_of(auditor, "/admin/audit/entry/kept/")
