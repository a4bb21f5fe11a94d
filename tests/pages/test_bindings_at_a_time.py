"""Which agent answered which number at a point in time: shown, searched and exported."""

import csv
import io
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.mirror.models import SyncRun
from numbers.sync import sync_all
from tests import number_writes as services

pytestmark = pytest.mark.django_db
PAGE = "/admin/audit/entry/then/"


@pytest.fixture
def auditor(sign_in):
    return sign_in("Auditors")


@pytest.fixture
def evening(workspace) -> str:
    """A moment before the number was moved."""
    moment = timezone.now()
    services.assign(workspace.bound, workspace.sales, shown=workspace.support.remote_id, key="k", actor=None)
    return moment.isoformat()


def test_what_was_bound_is_shown_not_what_is(auditor, workspace, evening):
    page = auditor.get(PAGE, {"at": evening}).content.decode()
    assert "2 numbers on" in page
    assert "Support Bot" in page
    assert "Sales Bot" not in page
    assert "The last complete sync began" in page
    assert "Sales Bot" in auditor.get(PAGE, {"at": timezone.now().isoformat()}).content.decode()


def test_a_number_is_found(auditor, workspace, evening):
    page = auditor.get(PAGE, {"at": evening, "q": "support main"}).content.decode()
    assert "1 number on" in page
    assert "+1 555 010 0001" in page
    assert "No number matches at that time" in auditor.get(PAGE, {"at": evening, "q": "no such"}).content.decode()


def test_it_is_taken_as_a_file_and_that_is_written_down(auditor, workspace, evening):
    answer = auditor.post(f"{PAGE}export/?" + "at=" + evening.replace("+", "%2B"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
    assert [(row["number"], row["agent_id"]) for row in rows] == [
        ("'+15550100001", workspace.support.remote_id),
        ("'+15550100002", ""),
    ]
    assert Entry.objects.latest("pk").words == f"exported as csv: numbers at {evening}"


@pytest.mark.parametrize("at", ["", "yesterday", "2999-01-01T00:00", "0000-01-01", "\u202e"])
def test_no_such_moment(at, auditor):
    assert auditor.get(PAGE, {"at": at}).status_code == 422
    assert auditor.post(f"{PAGE}export/?at={at}").status_code == 400
    assert not Entry.objects.filter(kind="history.exported").exists()


def test_before_a_moment_is_chosen(auditor):
    assert "Point in time" in auditor.get(PAGE).content.decode()


def test_agents_are_listed_too_and_each_is_shown_whole(auditor, workspace, remote):
    moment = timezone.now().isoformat()
    remote.console("patch_agent", agent_id=workspace.sales.remote_id, patch={"name": "Night Desk"})
    sync_all()
    page = auditor.get(PAGE, {"at": moment, "what": "agents", "q": "sales"}).content.decode()
    assert "1 agent on" in page
    assert "Night Desk" not in page
    assert "Night Desk" in auditor.get(PAGE, {"at": timezone.now().isoformat(), "what": "agents"}).content.decode()
    one = auditor.get(f"{PAGE}agent/{workspace.sales.remote_id}/", {"at": moment}).content.decode()
    assert "Sales Bot" in one
    assert "conversation_config.agent.language" in one
    assert "audio, interruption" in one, "values are shown in words, as on every page"
    assert "Night Desk" not in one
    answer = auditor.post(f"{PAGE}export/?{urlencode({'at': moment, 'what': 'agents'})}")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
    assert [row["agent"] for row in rows] == ["Sales Bot", "Support Bot"]


@pytest.mark.parametrize("path", ["agent/agent_nobody", "phone/x", "number/agent_nobody"])
def test_no_such_object_then(path, auditor):
    assert auditor.get(f"{PAGE}{path}/", {"at": timezone.now().isoformat()}).status_code == 404
    assert auditor.get(f"{PAGE}{path}/").status_code == 404


def test_how_fresh_the_mirror_was(auditor, workspace, settings):
    now = timezone.now()
    SyncRun.objects.update(started_at=now - timedelta(minutes=5), ended_at=now - timedelta(minutes=4))
    assert "The last complete sync began 5 min earlier" in auditor.get(PAGE, {"at": now.isoformat()}).content.decode()
    earlier = (now - timedelta(minutes=4, seconds=30)).isoformat()
    assert "is not known: no complete sync" in auditor.get(PAGE, {"at": earlier}).content.decode()
    settings.SYNC_RUNS_KEPT = timedelta(minutes=1)
    at = (now - timedelta(minutes=2)).isoformat()
    assert "the data may have been newer" in auditor.get(PAGE, {"at": at}).content.decode()
