"""While ElevenLabs refuses the key, every page for staff shows that, since when, and what to do."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.traffic.models import Circuit, Remote
from tests.pages.test_few_queries import PAGES, executed_queries

pytestmark = pytest.mark.django_db

WORDS = "ElevenLabs has refused the API key since"


@pytest.fixture
def refused(workspace) -> Circuit:
    of = Remote.of_settings()
    return Circuit.objects.create(
        base_url=of.base_url,
        key_mark=of.key_mark,
        refused_since=timezone.now() - timedelta(minutes=12),
        reason="ElevenLabs says: Invalid <b>API</b> key.",
        probe_at=timezone.now() + timedelta(seconds=20),
    )


WHOLE = [path for path in PAGES if path != "/admin/health/"]  # that one is a fragment
ALL = [*WHOLE, "/admin/mirror/syncrun/", "/admin/operations/changeset/", "/admin/numbers/phonenumber/add/"]


@pytest.mark.parametrize("path", ALL)
def test_every_page_shows_the_banner(path, operator, refused):
    page = operator.get(path).content.decode()
    assert page.count(WORDS) == 1
    assert "ElevenLabs says: Invalid &lt;b&gt;API&lt;/b&gt; key." in page
    assert refused.probe_at.strftime("%H:%M:%S UTC") in page
    assert "an administrator has to set another key" in page


@pytest.mark.parametrize("path", ALL)
def test_no_page_shows_the_banner_otherwise(path, operator, refused, settings):
    settings.ELEVENLABS_API_KEY = "sk_another_key_0123456789"
    assert WORDS not in operator.get(path).content.decode()
    settings.ELEVENLABS_API_KEY = "sk_sandbox"
    Circuit.objects.update(refused_since=None)
    assert WORDS not in operator.get(path).content.decode()


def test_only_staff_see_the_banner(refused, sign_in):
    assert WORDS not in Client().get("/admin/login/").content.decode()
    assert WORDS in sign_in(None).get("/admin/").content.decode()  # staff without a role


def test_a_dialog_does_not_repeat_the_banner(operator, refused, workspace):
    headers = {"HX-Request": "true", "HX-Target": "cp-dialog"}
    dialog = operator.get(f"/admin/numbers/phonenumber/{workspace.bound.pk}/assign/", headers=headers)
    assert dialog.status_code == 200
    assert WORDS not in dialog.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_it_costs_no_page_more_than_it_may(path, operator, refused):
    assert 0 < len(executed_queries(operator, path)) <= 12


def test_an_open_page_learns_of_it_and_of_its_end_once(operator, refused):
    def line(state: str) -> str:
        return operator.get(f"/admin/mirror/syncrun/picture/?since=0&refused={state}").content.decode()

    now = str(int(refused.probe_at.timestamp()))
    news = line("")
    assert 'id="cp-refused" hx-swap-oob="true"' in news
    assert WORDS in news
    assert f"refused={now}" in news  # the parameter of the next poll
    assert "cp-refused" not in line(now)
    Circuit.objects.update(refused_since=None)
    over = line(now)
    assert 'id="cp-refused" hx-swap-oob="true"' in over
    assert WORDS not in over
    assert "cp-refused" not in line("")


def test_it_does_not_promise_what_is_past(operator, refused):
    Circuit.objects.update(probe_at=timezone.now() - timedelta(seconds=1))
    assert "The key is tried again with the next sync." in operator.get("/admin/").content.decode()
