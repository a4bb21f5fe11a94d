"""The integrity check, data retention, and which agent answered a number when, as an auditor sees them."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.audit import chain, verification
from controlplane.audit.models import Entry, Link, Verification
from controlplane.audit.prune import prune
from controlplane.history import assignment_history as pages
from tests import number_writes as services
from tests.history.test_the_chain_shows_what_was_touched import tamper

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/entry/"
WHOLE = f"{LIST}whole/"


@pytest.fixture
def auditor(sign_in) -> Client:
    return sign_in("Auditors")


@pytest.fixture
def sent_tasks(monkeypatch) -> list[str]:
    """The tasks that a page sent to the broker."""
    sent: list[str] = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, *_, **__: sent.append(task.name))
    return sent


def text(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_auditor_has_the_record_verified(auditor, sent_tasks):
    assert "Not verified yet" in text(auditor, WHOLE)
    assert auditor.post(f"{WHOLE}verify/").url == WHOLE
    assert sent_tasks == ["controlplane.audit.tasks.verify"]
    assert "Waiting for a worker" in text(auditor, WHOLE)
    assert "HX-Refresh" not in auditor.get(f"{WHOLE}progress/").headers
    Verification.objects.update(sealed=340, due=1000)
    assert "340 of about 1000 entries" in text(auditor, f"{WHOLE}progress/")
    Verification.objects.update(sealed=0, due=0)
    assert verification.run_due().state == "whole"
    assert auditor.get(f"{WHOLE}progress/").headers["HX-Refresh"] == "true"
    page = text(auditor, WHOLE)
    assert "All sealed entries verified" in page
    assert Link.objects.latest("position").digest in page
    assert "Integrity check failed" not in text(auditor, LIST)


def test_a_broken_chain_is_shown_on_each_page_of_the_history(auditor, workspace):
    chain.seal()
    entry = Entry.objects.earliest("pk")
    tamper("UPDATE audit_entry SET object_name = 'x' WHERE id = %s", entry.pk)
    verification.request("ada")
    verification.run_due()
    for page in (LIST, f"{LIST}then/", f"{LIST}kept/", f"{LIST}answered/{workspace.bound.remote_id}/"):
        assert f"Entry {entry.pk} is not what was sealed." in text(auditor, page), page
    assert "The history was altered" in text(auditor, WHOLE)


@pytest.mark.parametrize("role", ["Auditors", "Operators", "Administrators", "superuser", None])
def test_a_broken_chain_is_on_the_overview_of_those_who_may_see_history(role, sign_in, workspace):
    chain.seal()
    person, entry = sign_in(role), Entry.objects.earliest("pk")
    finding = f"Entry {entry.pk} is not what was sealed."

    def overview_after_verification() -> str:
        verification.request("ada")
        verification.run_due()
        return text(person, "/admin/")

    assert "Integrity check failed" not in overview_after_verification()
    tamper("UPDATE audit_entry SET object_name = %s WHERE id = %s", f"{entry.object_name[:-1]}_", entry.pk)
    page = overview_after_verification()
    assert (finding in page, f'href="{WHOLE}"' in page) == (role is not None,) * 2
    verification.request("bob")
    assert (finding in text(person, "/admin/")) == (role is not None), "shown until the next result"
    tamper("UPDATE audit_entry SET object_name = %s WHERE id = %s", entry.object_name, entry.pk)
    assert finding not in overview_after_verification(), "the latest completed check passed"


def test_a_digest_that_was_noted_is_looked_for(auditor, workspace):
    chain.seal()
    head = Link.objects.latest("position").digest
    assert "Found. All entries sealed up to that digest" in text(auditor, WHOLE, digest=f" {head.upper()} ")
    for wrong in ("0" * 64, "<b>x</b>", "\u202e"):
        page = text(auditor, WHOLE, digest=wrong)
        assert "Not found. This digest is not in the chain" in page
        assert "<b>x</b>" not in page


def test_who_may_not(operator, sent_tasks):
    assert operator.post(f"{WHOLE}verify/").status_code == 403
    assert "Verify now" not in text(operator, WHOLE)
    assert sent_tasks == []


@pytest.fixture
def moved(workspace):
    """The number was answered by Support, then by Sales, then unassigned."""
    first = services.assign(workspace.bound, workspace.sales, shown=workspace.support.remote_id, key="k", actor=None)
    workspace.bound.refresh_from_db()
    services.assign(workspace.bound, None, shown=workspace.sales.remote_id, key="l", actor=None)
    assert first.state == "done"
    return workspace


def test_who_answered_a_number_when(auditor, moved):
    page = text(auditor, f"{LIST}answered/{moved.bound.remote_id}/")
    rows = page.split("<tbody>")[1].split("</tbody>")[0].split("</tr>")[:-1]
    assert ["no agent" in rows[0], "Sales Bot" in rows[1], "Support Bot" in rows[2]] == [True] * 3
    assert "found by a sync" in rows[2]
    changed = Entry.objects.filter(kind="number.changed").order_by("pk")
    assert [f"{LIST}{entry.pk}/change/" in row for entry, row in zip(changed, (rows[1], rows[0]), strict=True)] == [
        True,
        True,
    ]
    assert page.count('class="is-') >= 3
    assert f"answered/{moved.bound.remote_id}/" in text(auditor, f"/admin/numbers/phonenumber/{moved.bound.pk}/change/")


@pytest.mark.parametrize("span", ["7", "30", "all", "x"])
def test_it_is_taken_as_a_file(span, auditor, moved):
    answer = auditor.post(f"{LIST}answered/{moved.bound.remote_id}/export/?span={span}")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
    assert [(row["state"], row["agent_id"]) for row in rows] == [
        ("answered", moved.support.remote_id),
        ("answered", moved.sales.remote_id),
        ("nobody", ""),
    ]
    assert [row["until"] for row in rows] == [rows[1]["from"], rows[2]["from"], ""]
    assert "assignment history" in Entry.objects.latest("pk").words


def test_a_span_shows_what_reaches_into_it(auditor, moved):
    last = Entry.objects.filter(kind="number.changed").latest("pk").at
    drawn = pages.binding_timeline.of_number(moved.bound.remote_id, "7")
    assert [piece.span.agent_id for piece in drawn.pieces] == [moved.support.remote_id, moved.sales.remote_id, ""]
    assert sum(piece.width for piece in drawn.pieces) == pytest.approx(100, abs=0.1)
    assert drawn.begins < last


@pytest.mark.parametrize("number", ["phnum_nobody", "x" * 64])
def test_a_number_that_the_history_does_not_know(number, auditor):
    assert auditor.get(f"{LIST}answered/{number}/").status_code == 404
    assert auditor.post(f"{LIST}answered/{number}/export/").status_code == 404


def test_what_is_kept_how_long(auditor, workspace, settings):
    page = text(auditor, f"{LIST}kept/")
    assert "it is kept for ever" in page
    assert "HISTORY_KEPT_DAYS" in page
    assert "14 days; after that one complete run an hour" in page
    settings.HISTORY_KEPT = timedelta(days=365)
    prune(timezone.now(), actor_name="root")
    page = text(auditor, f"{LIST}kept/")
    assert "365 days" in page
    assert "Removed from the history so far" in page


def test_a_pruned_moment_is_reported_as_pruned(auditor, workspace):
    before = timezone.now()
    prune(timezone.now(), actor_name="root")
    answer = auditor.get(f"{LIST}then/", {"at": before.isoformat()})
    assert answer.status_code == 422
    assert "was removed, so the state at that time is not known any more" in answer.content.decode()
    for what in ("numbers", "agents"):
        assert f"2 {what} on" in text(auditor, f"{LIST}then/", at=timezone.now().isoformat(), what=what)
