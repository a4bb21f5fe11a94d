"""What a new action on a number gets by being registered: a page, an API endpoint, their permission check, an entry in
the filter of the Activity list, crash safety, and an undo. CONTRIBUTING.md describes how to add one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import clear_url_caches, path

from controlplane.api import problems
from controlplane.api.parsing import StrictParser
from controlplane.api_assembly import Api
from controlplane.audit.models import Entry
from controlplane.elevenlabs import ElevenLabs
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import (
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
    unregister,
)
from controlplane.operations.admin import KindFilter
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation, State
from numbers import api as numbers_api
from numbers import undo
from numbers.actions import NumberAction
from numbers.models import PhoneNumber
from tests.api.caller import Caller, person, problem
from tests.operations import test_write_fault_matrix as matrix
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import WRITES, number, plain_write
from tests.pages.rights import TABLE, rows_of
from tests.pages.world import EVERYBODY, is_let_in
from tests.sitemap import actions, routes, verbs

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, kw_only=True)
class UpperCaseLabel(NumberAction):
    name = "number.upper_case_label"
    verbose_name = "put label of number in upper case"
    permission = "numbers.change_phonenumber"
    button = "Upper case"

    label: str  # the number to change

    @classmethod
    def of(cls, number: PhoneNumber, *, shown: str) -> Self:
        return cls(object_id=number.remote_id, display_names={"object": number.display_name()}, label=shown)

    @classmethod
    def shown_of(cls, number: PhoneNumber) -> str:
        return number.label

    def title(self) -> str:
        return f"Put the label of {self.object_name} in upper case"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"The label of {self.object_name} is in upper case."

    def precheck(self, client: ElevenLabs) -> Attempt:
        number = self.existing(client)
        if number.label == self.label.upper():
            raise NothingToDo(f"The label of {self.object_name} is in upper case already.", observed=number)
        if number.label != self.label:
            raise PreconditionFailed(f"{self.object_name} is labelled “{number.label}” now.", observed=number)
        return Attempt(self.summarize(number), number)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        return Reply(self.object_id, client.update_number(self.object_id, {"label": self.label.upper()}))

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        if observed.label == self.label.upper():
            return Verdict(State.DONE)
        unchanged = observed.label == attempt.before["label"]
        return Verdict(State.NOT_APPLIED if unchanged else State.OVERTAKEN, f"The label is “{observed.label}”.")

    def summarize(self, observed: RemoteNumber) -> dict[str, Any]:
        return {"label": observed.label}


PAGE = "admin/numbers/phonenumber/<int:pk>/upper-case-label/"
ENDPOINT = "POST api/numbers/<number_id>/upper-case-label"


@pytest.fixture
def registered(settings) -> Iterator[None]:
    """The project as if it had started with the action registered, because URLs are built at startup."""
    register(UpperCaseLabel)
    api = Api(title="Demo", urls_namespace="demo", parser=StrictParser())
    problems.register_handlers(api)
    api.add_router("", numbers_api.plain_router())
    urls = ModuleType("urls")
    urls.urlpatterns = [path("api/", api.urls), path("admin/", admin.site.urls)]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = urls
    clear_url_caches()
    yield
    unregister(UpperCaseLabel)
    clear_url_caches()


@pytest.fixture
def callers(registered) -> dict[str, Caller]:
    people: dict[str, Any] = {"N": person("nobody")}
    people |= {letter: person(role.lower(), role) for letter, role in EVERYBODY.items() if role and role.istitle()}
    return {letter: Caller(who) for letter, who in people.items()}


def test_its_page(registered, callers, clock):
    line = number(clock)
    client = callers["O"].client
    client.force_login(callers["O"].user, backend="django.contrib.auth.backends.ModelBackend")
    url = f"/admin/numbers/phonenumber/{line.pk}/upper-case-label/"

    page = client.get(url).content.decode()
    assert all(text in page for text in ("Upper case: +1 555 010 0123", line.label, "no agent"))
    assert url in client.get(f"/admin/numbers/phonenumber/{line.pk}/change/").content.decode()
    key = "7b6d3b0e-6c5f-4e53-9f0a-0d3f4a1f9a11"
    stale = client.post(url, {"key": key, "shown": "Another"})
    assert (stale.status_code, "labelled “Main” now" in stale.content.decode()) == (422, True)
    assert clock.remote.get(f"/v1/convai/phone-numbers/{line.remote_id}")["label"] == "Main"
    done = client.post(url, {"key": key.replace("7", "8"), "shown": "Main"}, follow=True).content.decode()
    assert "The label of +1 555 010 0123 is in upper case." in done
    assert clock.remote.get(f"/v1/convai/phone-numbers/{line.remote_id}")["label"] == "MAIN"
    line.refresh_from_db()
    assert line.label == "MAIN"
    assert "Put label of number in upper case" in dict(KindFilter.lookups(None, None, None)).values()


def test_its_endpoint(registered, callers, clock):
    line = number(clock)
    path = f"/numbers/{line.remote_id}/upper-case-label"
    for _ in range(2):
        answer = callers["O"]("POST", path, {"reason": "Shouted"}, key="k")
        assert (answer.status_code, answer.json()["kind"]) == (200, "number.upper_case_label")
    problem(callers["O"]("POST", path, {"expected": "Night"}), 409, "not-sent")
    assert Operation.objects.filter(state=State.DONE).count() == 1
    assert violations(clock.remote) == []


def test_its_rows_in_the_table_of_permissions(registered, callers, clock):
    rows = rows_of(UpperCaseLabel, {PAGE, ENDPOINT}, Group.objects.all())
    added = {*routes(), *actions(), *verbs()} - set(TABLE)
    assert added == set(rows)
    line = number(clock)
    for letter, caller in callers.items():
        assert (caller("POST", f"/numbers/{line.remote_id}/upper-case-label", {}).status_code != 403) == (
            letter in rows[ENDPOINT].do
        ), letter
        caller.client.force_login(caller.user, backend="django.contrib.auth.backends.ModelBackend")
        page = caller.client.get(f"/admin/numbers/phonenumber/{line.pk}/upper-case-label/")
        assert is_let_in(page) == (letter in rows[PAGE].see), letter


@pytest.mark.parametrize(
    ("reply", "crash"),
    [
        *((reply, "never") for reply in matrix.FIRST),
        *(("ok", crash) for crash in (*matrix.BEFORE_SENDING, *matrix.AFTER_SENDING[1:])),
    ],
)
def test_it_holds_under_faults(reply, crash, registered, clock, settings, monkeypatch):
    monkeypatch.setitem(WRITES, "upper case", plain_write(UpperCaseLabel))
    matrix.test_write_fault_matrix("upper case", reply, crash, clock, settings, monkeypatch)


def test_it_can_be_undone(registered, clock):
    write = plain_write(UpperCaseLabel)
    assert write.set_up(clock)("key").state == State.DONE
    undone = undo.execute(Entry.objects.get(kind="number.changed"), ActionContext(key="undo", actor=None))
    assert (undone.state, PhoneNumber.objects.get().label) == (State.DONE, "Main")
    recover(clock)
    assert violations(clock.remote) == []
