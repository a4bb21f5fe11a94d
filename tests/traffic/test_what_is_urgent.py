"""Requests of a user who clicked and waits go first. A worker's periodic requests can wait."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.test import Client

from agents import catalogue
from controlplane.elevenlabs import ElevenLabsError, RecordResult
from controlplane.operations import change_sets, settle
from numbers import import_polling
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import Clock
from tests.operations.writes import CREDENTIALS, NEW_LINE, agent, number

pytestmark = pytest.mark.django_db


class Noted:
    """Lets everything pass and records which requests were urgent."""

    seen: list[bool] = []

    def __init__(self, base_url: str, key: str) -> None:
        pass

    @contextmanager
    def turn(self, method: str, *, urgent: bool, seconds: float) -> Iterator[RecordResult]:
        self.seen.append(urgent)
        yield self.record_result

    def record_result(self, error: ElevenLabsError | None) -> None:
        pass


@pytest.fixture
def seen(settings) -> list[bool]:
    settings.ELEVENLABS_TRAFFIC = f"{__name__}.Noted"
    Noted.seen = []
    return Noted.seen


def test_a_click(clock: Clock, seen):
    to, line = agent(clock), number(clock)
    seen.clear()
    assert services.assign(line, to, shown="", key="key", actor=None).state == "done"
    assert len(seen) == 3
    assert all(seen)


def test_a_form_with_its_lists(clock: Clock, seen):
    catalogue.cache.clear()
    catalogue.llms()
    catalogue.voices()
    catalogue.fetch_voice("voice_1")
    catalogue.fetch_voice_names(["voice_2"])
    assert len(seen) >= 4
    assert all(seen)


def test_the_steps_of_a_change_set(clock: Clock, seen):
    leaver = agent(clock)
    number(clock, leaver)
    services.delete_agent_with_numbers(leaver, None, key="key", actor=None)
    seen.clear()
    assert change_sets.run_due() == 1
    assert len(seen) > 2
    assert all(seen)


def test_an_unconfirmed_write_on_request_and_when_due(clock: Clock, seen):
    to, line = agent(clock), number(clock)
    clock.remote.fault("PATCH", "*", "status", status=500, when="before")
    op = services.assign(line, to, shown="", key="key", actor=None)
    assert op.state == "sent"
    seen.clear()
    client = Client()
    client.force_login(User.objects.create_superuser("boss"), backend="django.contrib.auth.backends.ModelBackend")
    client.post(f"/admin/operations/operation/{op.pk}/check/")
    assert seen == [True]
    seen.clear()
    clock.passes(100)
    assert settle.settle_due() == 1
    assert seen == [False]


def test_a_sync_and_the_poll_of_imports(clock: Clock, seen):
    clock.remote.settings(listed_after=30)
    services.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, key="key", actor=None)
    seen.clear()
    clock.passes(2)
    import_polling.poll_due()
    sync_all()
    assert len(seen) > 4
    assert not any(seen)
