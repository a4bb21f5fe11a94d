"""Each of the five parts in turn: `/readyz` answers 503 and names it, and the card explains what that means."""

import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db.models import F
from django.test import Client
from django.utils import timezone

from controlplane.health import heartbeats, status
from controlplane.health.models import Heartbeat
from controlplane.mirror.models import SyncRun

pytestmark = pytest.mark.django_db

PARTS = ["database", "broker", "last_complete_sync", "worker", "beat"]


@pytest.fixture
def well(settings, tmp_path: Path) -> Path:
    """Everything is healthy, and the broker is this folder."""
    settings.CELERY_BROKER_URL, settings.BROKER_DIR = "filesystem://localhost", tmp_path
    for folder in ("messages", "control"):
        (tmp_path / folder).mkdir()
    SyncRun.objects.create(state=SyncRun.State.COMPLETE)
    for name in ("worker", "beat"):
        heartbeats.record_heartbeat(name)
    return tmp_path


def age(name: str, seconds: float) -> None:
    Heartbeat.objects.filter(name=name).update(at=F("at") - timedelta(seconds=seconds))


def age_of_sync(seconds: float) -> None:
    SyncRun.objects.update(started_at=timezone.now() - timedelta(seconds=seconds))


def only_partial() -> None:
    SyncRun.objects.update(state=SyncRun.State.PARTIAL)


BAD: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "no folder": ("broker", lambda folder: shutil.rmtree(folder / "messages"), "cannot be written to: workers are not"),
    "no control": ("broker", lambda folder: shutil.rmtree(folder / "control"), "Single changes still work."),
    "never complete": ("last_complete_sync", lambda _: only_partial(), "Nothing was listed to its end yet"),
    "never any": ("last_complete_sync", lambda _: SyncRun.objects.all().delete(), "Nothing was listed to its end yet"),
    "old": ("last_complete_sync", lambda _: age_of_sync(200), "listed last 3 min ago; it should be every 1 min."),
    "worker lost": ("worker", lambda _: age("worker", 200), "No worker has been heard for 3 min: nothing syncs, and"),
    "no worker": ("worker", lambda _: Heartbeat.objects.filter(name="worker").delete(), "heard yet: nothing syncs"),
    "beat lost": ("beat", lambda _: age("beat", 7300), "No beat has been heard for 2 h: nothing starts by itself"),
    "no beat": ("beat", lambda _: Heartbeat.objects.filter(name="beat").delete(), "No beat has been heard yet"),
}
LATE: dict[str, tuple[str, Callable[[], None], str]] = {
    "sync": ("last_complete_sync", lambda: age_of_sync(150), "listed last 2 min ago; it should be every 1 min."),
    "worker": ("worker", lambda: age("worker", 50), "Heard 50 s ago, which is late."),
    "beat": ("beat", lambda: age("beat", 50), "Heard 50 s ago, which is late."),
}


def sentence(name: str) -> str:
    return next(part.sentence for part in status.parts() if part.name == name)


def test_all_is_well(well, client: Client):
    answer = client.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["ready"]) == (200, True)
    assert list(body["checks"]) == PARTS
    assert all(set(check) == {"state", "seconds"} and check["state"] == "ok" for check in body["checks"].values())
    assert all(0 <= check["seconds"] < 10 for check in body["checks"].values())


@pytest.mark.parametrize("case", BAD)
def test_a_bad_part_is_named(case, well, client: Client):
    name, spoil, words = BAD[case]
    spoil(well)
    answer = client.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["ready"]) == (503, False)
    assert {part for part, check in body["checks"].items() if check["state"] != "ok"} == {name}
    assert words in sentence(name)


@pytest.mark.parametrize("case", LATE)
def test_what_is_late_is_a_warning_and_all_is_ready_still(case, well, client: Client):
    name, spoil, words = LATE[case]
    spoil()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"][name]["state"]) == (200, "warn")
    assert words in sentence(name)


def test_a_partial_run_does_not_make_the_mirror_fresher(well, client: Client):
    age_of_sync(200)
    SyncRun.objects.create(state=SyncRun.State.PARTIAL)
    assert client.get("/readyz").json()["checks"]["last_complete_sync"]["state"] == "bad"


def test_a_worker_that_waits_for_the_broker_is_not_to_be_started(well):
    age("worker", 100)
    assert "Start it with" in sentence("worker")
    shutil.rmtree(well / "messages")
    assert "It may be waiting for the broker." in sentence("worker")


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_wrong_here_does_no_harm_to_heartbeats(minutes, well, client: Client):
    with time_machine.travel(time.time() + 60 * minutes):
        heartbeats.record_heartbeat("beat")
        checks = client.get("/readyz").json()["checks"]
    assert (checks["worker"]["state"], checks["beat"]["state"]) == ("ok", "ok")


def test_machines_need_no_sign_in_and_get_no_secret(well, client: Client, settings, django_assert_num_queries):
    shutil.rmtree(well / "messages")
    with django_assert_num_queries(2):
        answer = client.get("/readyz")
    text = answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.cookies == {}
    for secret in (str(well), str(settings.BASE_DIR), settings.SECRET_KEY, "Error", "process", "://"):
        assert secret not in text
    assert client.head("/readyz").status_code == 503
    for path in ("/readyz", "/healthz"):
        assert client.post(path).status_code == 405
        settings.SECURE_SSL_REDIRECT = True
        assert client.get(path).status_code in (200, 503), "requested over http, from inside"


def test_healthz_depends_on_nothing(client: Client, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(status, "parts", None)
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")
