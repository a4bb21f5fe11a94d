"""The URLs of agents: each action requires exactly its own permission. `tests/pages/rights.txt` lists who may see which
page."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from controlplane.operations.models import Operation
from tests.agents.conftest import mirrored, person, signed_in, url_of

pytestmark = pytest.mark.django_db

PAGES = ["changelist", "add", "change", "history", "duplicate", "archive", "delete", "voices", "voice_names"]
WITHOUT_AGENT = {"changelist", "add", "voices", "voice_names"}
WRITES = {
    "add": "add_agent",
    "change": "change_agent",
    "duplicate": "duplicate_agent",
    "archive": "archive_agent",
    "delete": "delete_agent",
}


def address(page, agent):
    return url_of(page, None if page in WITHOUT_AGENT else agent)


@pytest.fixture
def agent(remote):
    return mirrored(remote)


@pytest.mark.parametrize("page", WRITES)
def test_each_action_requires_its_own_permission(agent, page):
    """Refused with all permissions but this one, and allowed with only this one and the permission to view."""
    user = person("almost")
    every = Permission.objects.filter(content_type__app_label="agents")
    user.user_permissions.set(every.exclude(codename=WRITES[page]))
    url = address(page, agent)
    assert signed_in(user).post(url, {"name": "x"}).status_code == 403
    user.user_permissions.set(every.filter(codename__in=["view_agent", WRITES[page]]))
    assert signed_in(type(user).objects.get(pk=user.pk)).post(url, {"name": ""}).status_code != 403


@pytest.mark.parametrize("page", PAGES)
def test_opening_a_page_changes_nothing(agent, operator, remote, page):
    calls = remote.call_report()["last_id"]
    operator.get(address(page, agent), {"name": "x", "deed": "archive", "key": "k"})
    assert {call["method"] for call in remote.calls(since=calls)} <= {"GET"}
    assert not Operation.objects.exists()


@pytest.mark.parametrize("page", ["voices", "voice_names"])
def test_a_fragment_takes_only_get(agent, operator, page):
    assert operator.post(address(page, agent)).status_code == 405


@pytest.mark.parametrize("page", ["add", "change", "duplicate", "archive"])
def test_other_methods_are_refused(agent, operator, page):
    assert operator.put(address(page, agent)).status_code == 405
    assert operator.delete(address(page, agent)).status_code == 405


def test_a_form_without_its_token_is_refused(agent):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("olga", "Operators"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(url_of("archive", agent), {"deed": "archive"}).status_code == 403


@pytest.mark.parametrize("pk", ["0", "999999", "abc", "1'--", "9" * 30])
def test_an_agent_that_is_not_there_is_not_found(operator, pk):
    for page in ("change", "delete"):
        assert operator.get(f"/admin/agents/agent/{pk}/{page}/").status_code == 404


def test_a_viewer_sees_facts_and_no_form(remote, viewer):
    prompt = "You help. " * 100
    agent = mirrored(remote, agent={"prompt": {"prompt": prompt}})
    response = viewer.get(url_of("change", agent))
    page = response.content.decode()
    assert "form" not in response.context
    assert "gemini-2.5-flash" in page
    assert prompt in page
    for word in ("Save", "Duplicate", "Archive", "Delete"):
        assert f">{word}<" not in page
    cards = viewer.get(url_of("changelist")).content.decode()
    for word in ("Create", "Edit", "Duplicate", "Archive", "Delete"):
        assert f">{word}<" not in cards
