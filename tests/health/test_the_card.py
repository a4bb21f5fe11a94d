"""The same for people: on the overview and the page of syncs, with the permission to view these; the card polls."""

import re

import pytest

from controlplane.health.models import Heartbeat
from tests.health.test_each_part_goes_bad import age, well

pytestmark = pytest.mark.django_db

__all__ = ["well"]

POLLS = re.compile(r'id="cp-health" hx-get="([^"]+)" hx-trigger="([^"]+)"')


@pytest.mark.parametrize("page", ["/admin/", "/admin/mirror/syncrun/"])
def test_the_pages_let_it_ask_for_itself(page, operator, well, monkeypatch):
    monkeypatch.setattr("controlplane.broker.check", None)  # the page does not wait for the broker
    asks = POLLS.findall(operator.get(page).content.decode())
    assert asks == [("/admin/health/", "load, every 15s")]


def test_it_describes_each_part_and_polls(operator, well):
    age("worker", 200)
    age("beat", 50)
    card = operator.get("/admin/health/").content.decode()
    assert POLLS.findall(card) == [("/admin/health/", "every 15s")]
    words = re.sub(r"<[^>]+>", " ", card)
    text = " ".join(words.split())
    assert "Database ok Answers in" in text
    assert "Broker ok Takes messages (a folder" in text
    assert "Last complete sync ok Everything was listed 0 s ago." in text
    assert "Worker bad No worker has been heard for 3 min: nothing syncs, and unconfirmed operations are not" in text
    assert "Beat check Heard 50 s ago, which is late." in text


def test_it_is_shown_only_to_who_may_see_syncs(sign_in, well):
    staff_without_role = sign_in(None)
    assert "cp-health" not in staff_without_role.get("/admin/").content.decode()
    assert staff_without_role.get("/admin/health/").status_code == 403
    assert sign_in("Auditors").get("/admin/health/").status_code == 200


def test_looking_changes_nothing(operator, well):
    before = list(Heartbeat.objects.values())
    operator.get("/admin/health/")
    assert operator.post("/admin/health/").status_code == 405
    assert list(Heartbeat.objects.values()) == before
