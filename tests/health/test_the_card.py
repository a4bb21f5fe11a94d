"""The same for people: on the overview and on the page of syncs, for who may see these; it asks for itself."""

import re

import pytest

from controlplane.health.models import Heartbeat
from tests.health.test_each_part_goes_bad import age, well

pytestmark = pytest.mark.django_db

__all__ = ["well"]

POLLS = re.compile(r'id="cp-health" hx-get="([^"]+)" hx-trigger="([^"]+)"')


@pytest.mark.parametrize("page", ["/admin/", "/admin/mirror/syncrun/"])
def test_the_pages_let_it_ask_for_itself(page, operator, well, monkeypatch):
    monkeypatch.setattr("controlplane.broker.check", None)  # whatever the broker does, it does not hold up the page
    asks = POLLS.findall(operator.get(page).content.decode())
    assert asks == [("/admin/health/", "load, every 15s")]


def test_it_says_each_part_in_a_word_and_a_sentence_and_asks_again(operator, well):
    age("worker", 200)
    age("beat", 50)
    card = operator.get("/admin/health/").content.decode()
    assert POLLS.findall(card) == [("/admin/health/", "every 15s")]
    words = re.sub(r"<[^>]+>", " ", card)
    told = " ".join(words.split())
    assert "Database ok Answers in" in told
    assert "Broker ok Takes messages (a folder" in told
    assert "Last complete sync ok Everything was listed 0 s ago." in told
    assert "Worker bad No worker has been heard for 3 min: nothing syncs, and unconfirmed operations are not" in told
    assert "Beat check Heard 50 s ago, which is late." in told


def test_it_is_shown_only_to_who_may_see_syncs(sign_in, well):
    nobody = sign_in(None)
    assert "cp-health" not in nobody.get("/admin/").content.decode()
    assert nobody.get("/admin/health/").status_code == 403
    assert sign_in("Auditors").get("/admin/health/").status_code == 200


def test_looking_changes_nothing(operator, well):
    before = list(Heartbeat.objects.values())
    operator.get("/admin/health/")
    assert operator.post("/admin/health/").status_code == 405
    assert list(Heartbeat.objects.values()) == before
