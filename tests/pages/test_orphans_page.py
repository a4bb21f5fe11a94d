"""The page that offers to unassign numbers whose agent was deleted: its rows, its button, and what the button does."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation
from numbers.models import PhoneNumber, State
from numbers.sync import sync_all
from tests.pages.test_few_queries import executed_queries
from tests.pages.test_number_pages import LIST, fields_of

pytestmark = pytest.mark.django_db

PAGE = f"{LIST}orphans/"
EARLIER = timedelta(minutes=11)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def orphan(workspace, remote) -> PhoneNumber:
    """The agent answered 404 in two consecutive runs, just now."""
    remote.console("delete_agent", agent_id=workspace.support.remote_id)
    sync_all()
    sync_all()
    workspace.bound.refresh_from_db()
    assert workspace.bound.state is State.ORPHANED
    return workspace.bound


@pytest.fixture
def ready(orphan) -> PhoneNumber:
    """The first 404 was eleven minutes ago."""
    Agent.objects.filter(gone_at__isnull=False).update(missing_since=timezone.now() - EARLIER)
    return orphan


def test_it_lists_number_label_agent_age_and_from_when(operator, orphan, workspace):
    page = operator.get(PAGE).content.decode()
    dead = Agent.objects.get(pk=workspace.support.pk)
    from_when = timezone.localtime(dead.missing_since + timedelta(minutes=10))
    for part in ("+1 555 010 0001", "Main", f"Support Bot {dead.id_suffix}", "s ago", f"from {from_when:%H:%M}"):
        assert part in text_of(page), part
    assert "<summary" not in page
    assert "None can be unassigned yet." in page


def test_its_button_plans_a_change_set_that_a_worker_runs(operator, ready, remote, monkeypatch):
    woken = []
    monkeypatch.setattr("numbers.orphan_views.enqueue", lambda task: woken.append(task.name))
    page = operator.get(PAGE).content.decode()
    assert "Unassign all 1" in text_of(page)
    writes = len(remote.calls(method="PATCH"))

    answer = operator.post(PAGE, fields_of(page))

    change_set = ChangeSet.objects.get()
    assert answer.url == f"/admin/operations/changeset/{change_set.pk}/change/"
    assert woken == ["controlplane.operations.tasks.run_change_sets"]
    assert len(remote.calls(method="PATCH")) == writes, "nothing is written in the request"
    assert "is being unassigned" in text_of(operator.get(PAGE).content.decode())
    change_sets.run_due()
    ready.refresh_from_db()
    assert ready.state is State.UNASSIGNED
    page = operator.get(f"/admin/operations/operation/{Operation.objects.get().pk}/change/").content.decode()
    page_text = text_of(page)
    assert "Requested by system" in page_text
    assert "Requested by Operators." in page_text
    assert "requested by Operators" in text_of(operator.get(answer.url).content.decode())
    assert "No number is orphaned" in operator.get(PAGE).content.decode()


def test_the_same_form_sent_twice_plans_once(operator, ready):
    form = fields_of(operator.get(PAGE).content.decode())
    urls = {operator.post(PAGE, form).url, operator.post(PAGE, form).url}
    change_sets.run_due()
    urls.add(operator.post(PAGE, form).url)
    assert len(urls) == ChangeSet.objects.count() == 1


def test_a_stale_form_explains_why_and_shows_the_current_state(operator, ready, workspace, remote):
    form = fields_of(operator.get(PAGE).content.decode())
    remote.fault("GET", f"/v1/convai/agents/{workspace.support.remote_id}", "status", status=403)
    answer = operator.post(PAGE, form)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f"Nothing was unassigned. Whether {workspace.support} is gone could not be determined." in text_of(page)
    again = fields_of(page)
    assert (again["shown"], again["key"] != form["key"]) == (form["shown"], True)
    assert operator.post(PAGE, again).status_code == 302


def test_what_is_no_list_of_ids_is_refused(operator, ready):
    form = fields_of(operator.get(PAGE).content.decode())
    for shown in ("", "../x", "a  b", "<b>"):
        assert operator.post(PAGE, form | {"shown": shown}).status_code == 422, shown
    assert not ChangeSet.objects.exists()


def test_over_the_cap_there_is_no_button_and_the_reason(operator, ready, workspace, settings):
    settings.ORPHAN_CLEANUP_MAX = 1
    PhoneNumber.objects.filter(pk=workspace.free.pk).update(agent=workspace.support, bound_to=ready.bound_to)
    page = operator.get(PAGE).content.decode()
    assert "2 numbers are orphaned, more than the 1 that may be unassigned at once" in text_of(page)
    assert "<summary" not in page
    form = {"key": "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11", "shown": ready.remote_id}
    assert operator.post(PAGE, form).status_code == 422


def test_who_may_only_look_sees_no_button(sign_in, ready):
    auditor = sign_in("Auditors")
    page = auditor.get(PAGE).content.decode()
    assert "+1 555 010 0001" in page
    assert "<summary" not in page
    form = {"key": "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11", "shown": ready.remote_id}
    assert auditor.post(PAGE, form).status_code == 403


def test_it_shows_whether_the_clean_up_is_automatic(operator, ready, settings):
    for way in ("ask", "auto"):
        settings.ORPHAN_CLEANUP = way
        assert ("every five minutes (ORPHAN_CLEANUP is auto)" in operator.get(PAGE).content.decode()) == (way == "auto")


def test_the_overview_the_list_and_the_number_lead_there(operator, ready):
    for address in ("/admin/", f"{LIST}?state=orphaned", f"{LIST}{ready.pk}/change/"):
        assert f'href="{PAGE}"' in operator.get(address).content.decode(), address
    assert f'href="{PAGE}"' not in operator.get(LIST).content.decode()


def test_it_asks_the_database_no_more_for_more_rows(operator, ready, workspace, settings):
    few = len(executed_queries(operator, PAGE))
    PhoneNumber.objects.bulk_create(
        PhoneNumber(
            remote_id=f"phnum_{at}",
            phone_number=f"+1555020{at:04}",
            agent=workspace.support,
            bound_to=ready.bound_to,
            listed_at=timezone.now(),
        )
        for at in range(60)
    )
    assert len(executed_queries(operator, PAGE)) == few <= 14
