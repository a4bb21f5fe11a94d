"""Each write of the API is an operation, with the same lock, journal and texts as on the pages."""

import json

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from agents.models import Agent
from controlplane.api.models import Request
from controlplane.audit.models import Entry
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from tests.api.caller import TWILIO, problem

pytestmark = pytest.mark.django_db


def test_the_whole_life_of_an_agent_and_a_number(remote, call):
    made = call("POST", "/agents", {"name": "Support Bot", "first_message": "Hello", "tags": ["a, b", "c"]})
    assert made.status_code == 201
    agent_id = made.json()["object_id"]
    whole = call.get(f"/agents/{agent_id}")
    assert (whole["name"], whole["tags"], whole["fields"]["first_message"]) == ("Support Bot", ["a, b", "c"], "Hello")

    imported = call("POST", "/numbers/import", {"phone_number": "+1 415 555 0123", "label": "Main", **TWILIO})
    assert imported.status_code == 201, imported.content
    number_id = imported.json()["object_id"]
    remote.advance(10)
    assigned = call("PATCH", f"/numbers/{number_id}/assign", {"agent_id": agent_id, "expected_agent_id": None})
    assert (assigned.status_code, assigned.json()["state"]) == (200, "done"), assigned.content
    assert "Assigned +1 415 555 0123 to Support Bot" in assigned.json()["message"]
    assert remote.get(f"/v1/convai/phone-numbers/{number_id}")["assigned_agent"]["agent_id"] == agent_id
    assert call.get(f"/agents/{agent_id}")["number_count"] == 1

    renamed = call("PATCH", f"/agents/{agent_id}", {"name": "Night Desk"})
    assert (renamed.status_code, Agent.objects.get().name) == (200, "Night Desk")
    released = call("PATCH", f"/numbers/{number_id}/assign", {"agent_id": None})
    assert (released.status_code, PhoneNumber.objects.get().bound_to) == (200, "")
    assert call("DELETE", f"/numbers/{number_id}").status_code == 200
    assert call("DELETE", f"/agents/{agent_id}").status_code == 200
    assert call.get("/numbers")["items"] == call.get("/agents")["items"] == []
    assert [row["state"] for row in call.get("/numbers?state=all")["items"]] == ["gone"]

    kinds = [op["kind"] for op in call.get("/operations")["items"]]
    assert kinds[::-1] == [
        *("agent.create", "number.import", "number.assign", "agent.update"),
        *("number.assign", "number.remove", "agent.delete"),
    ]
    assert set(Entry.objects.filter(kind="operation.done").values_list("actor_name", flat=True)) == {"olga"}


def test_a_number_is_labelled(remote, workspace, call):
    path = f"/numbers/{workspace.free.remote_id}"
    problem(call("PATCH", path, {"label": "Night line", "expected_label": "Other"}), 409, "not-sent")
    problem(call("PATCH", path, {"label": " "}), 422, "invalid")
    answer = call("PATCH", path, {"label": " Night line ", "expected_label": "Spare"})
    assert answer.status_code == 200, answer.content
    assert remote.get(f"/v1/convai/phone-numbers/{workspace.free.remote_id}")["label"] == "Night line"
    assert len(remote.calls(method="PATCH", path="/v1/*")) == 1


def test_an_agent_is_duplicated_archived_and_restored(remote, workspace, call):
    path = f"/agents/{workspace.support.remote_id}"
    problem(call("POST", f"{path}/duplicate", {"name": " "}), 422, "invalid")
    copy = call("POST", f"{path}/duplicate", {"name": "Support Bot 2"})
    assert (copy.status_code, call.get(f"/agents/{copy.json()['object_id']}")["name"]) == (201, "Support Bot 2")
    for action, state in (("archive", "archived"), ("restore", "active")):
        answer = call("POST", f"{path}/{action}", {})
        assert (answer.status_code, call.get(path)["state"]) == (200, state)
    Agent.objects.filter(pk=workspace.support.pk).update(gone_at=timezone.now())
    for action, body in (("archive", {}), ("restore", {}), ("duplicate", {"name": "x"})):
        problem(call("POST", f"{path}/{action}", body), 409, "gone")


def test_an_agent_that_answers_numbers_is_not_deleted_by_the_way(remote, workspace, call):
    path = f"/agents/{workspace.support.remote_id}"
    error = problem(call("DELETE", path), 409, "has-numbers")
    assert "+15550100001" in error["detail"]
    assert not Operation.objects.exists()
    for query in (
        "?numbers=move",
        f"?numbers=move&successor={workspace.support.remote_id}",
        "?numbers=move&successor=x",
    ):
        assert problem(call("DELETE", path + query), 422, "invalid")["fields"][0]["field"] == "successor"

    url = path + f"?numbers=move&successor={workspace.sales.remote_id}"
    first = call("DELETE", url, key="k")
    assert first.status_code == 202
    change_set = ChangeSet.objects.get()
    assert first["Location"] == f"/api/change-sets/{change_set.pk}"
    assert [step["kind"] for step in first.json()["steps"]] == ["number.assign", "agent.delete"]
    assert call("DELETE", url, key="k").json()["id"] == change_set.pk
    from controlplane.operations import change_sets

    change_sets.run_due()
    assert call.get(f"/change-sets/{change_set.pk}")["state"] == "done"
    assert PhoneNumber.objects.get(pk=workspace.bound.pk).bound_to == workspace.sales.remote_id
    assert call("DELETE", url, key="k").json()["state"] == "done"
    assert len(call.get(f"/operations?change_set={change_set.pk}")["items"]) == 2


def test_a_reason_is_required_as_on_the_pages(remote, workspace, call, settings):
    settings.REQUIRE_REASON, settings.TICKET_PATTERN = True, r"OPS-\d+"
    path = f"/numbers/{workspace.bound.remote_id}/assign"
    error = problem(call("PATCH", path, {"agent_id": None}), 422, "invalid")
    assert {wrong["field"] for wrong in error["fields"]} == {"reason", "ticket"}
    error = problem(
        call("POST", "/numbers/import", {"phone_number": "+14155550009", "label": "x", **TWILIO}), 422, "invalid"
    )
    assert {wrong["field"] for wrong in error["fields"]} == {"reason", "ticket"}
    assert problem(call("DELETE", f"/agents/{workspace.support.remote_id}?numbers=release"), 422, "invalid")
    why = {"reason": "Night shift", "ticket": "OPS-7"}
    done = call("PATCH", path, {"agent_id": None, **why})
    assert (done.status_code, done.json()["reason"], done.json()["ticket"]) == (200, "Night shift", "OPS-7")
    assert call("DELETE", f"/numbers/{workspace.bound.remote_id}?reason=Old&ticket=OPS-8").status_code == 200
    assert Entry.objects.filter(ticket="OPS-8").exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 301}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x", "temperature": 3}, "temperature"),
        ({"name": "x", "temperature": "hot"}, "temperature"),
        ({"name": "x", "speed": None}, "speed"),
        ({"name": "x", "voice_id": "../x"}, "voice_id"),
        ({"name": "x", "language": "de", "model_id": "eleven_flash_v2"}, "model_id"),
        ({"name": "x", "settings": {"nonsense": 1}}, "settings"),
        ({"name": "x", "settings": {"conversation_config": {"tts": {"voice_id": "y"}}}}, "settings"),
        ({"name": "x", "tags": "no list"}, "tags"),
        ({"name": "x", "nonsense": 1}, "nonsense"),
        ([], "body"),
    ],
)
def test_errors_of_an_agent_are_reported_at_their_field(remote, call, body, field):
    error = problem(call("POST", "/agents", body), 422, "invalid")
    assert field in {wrong["field"] for wrong in error["fields"]}, error
    assert remote.calls(method="POST", path="/v1/*") == []
    assert not Operation.objects.exists()


def test_a_sync_is_requested_and_nothing_remote_is_listed(remote, call, monkeypatch):
    sent_tasks = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, *_, **__: sent_tasks.append(task.name))
    first = call("POST", "/sync", {}, key="k")
    assert (first.status_code, first.json()["state"]) == (202, "asked")
    assert call("POST", "/sync", key="k").json() == first.json()
    assert call("POST", "/sync", {}).json()["id"] == first.json()["id"], "a pending sync is reused"
    assert sent_tasks[0] == "numbers.tasks.sync"
    assert remote.calls(path="/v1/*") == []
    assert call.get(first["Location"].removeprefix("/api"))["state"] == "asked"


def test_pages_and_api_share_the_lock_and_the_journal(remote, workspace, operator, call):
    """An operation requested on a page is shown here, and the same action has the same verdict and text."""
    number = workspace.bound
    answer = call("PATCH", f"/numbers/{number.remote_id}/assign", {"agent_id": workspace.sales.remote_id})
    api = Operation.objects.get(pk=answer.json()["id"])
    call("PATCH", f"/numbers/{number.remote_id}/assign", {"agent_id": workspace.support.remote_id})
    url = f"/admin/numbers/phonenumber/{number.pk}/assign/"
    shown = operator.get(url).context["form"]
    form = {name: shown[name].value() or "" for name in ("key", "shown")}
    operator.post(url, {**form, "agent": workspace.sales.pk, "reason": "", "ticket": "", "q": ""})
    page = Operation.objects.latest("pk")
    assert page.key == str(form["key"])
    assert (page.kind, page.state, page.message, page.params, page.fingerprint) == (
        *(api.kind, State.DONE, api.message, api.params, api.fingerprint),
    )
    assert call.get(f"/operations/{page.pk}")["message"] == page.message


def test_no_twilio_secret_is_stored_shown_or_hashed(remote, call, caplog):
    canary = TWILIO["token"]
    good = {"phone_number": "+14155550009", "label": "x", **TWILIO}
    bodies = [
        good,
        {**good, "token": canary * 50},
        {**good, "token": [canary]},
        {**good, "sid": canary},
        {**good, "region": canary},
        {**good, "edge": canary, "region_token": canary},
        {**good, "unknown": canary},
        {**good, "phone_number": "no number"},
        json.dumps(good).encode()[:-1],
    ]
    remote.fault("POST", "/v1/convai/phone-numbers", "status", status=401, body={"detail": f"bad {canary}"})
    answers = [call("POST", "/numbers/import", body, key=f"k{at}") for at, body in enumerate(bodies)]
    assert {answer.status_code for answer in answers} <= {201, 400, 422, 502}
    kept = [str(list(model.objects.values())) for model in (Operation, Entry, Request, User)]
    for text in (*(answer.content.decode() for answer in answers), *kept, caplog.text):
        assert canary not in text
        assert TWILIO["sid"] not in text
    # Not even as a digest: another token with the same key is the same request.
    again = call("POST", "/numbers/import", {**good, "token": "another"}, key="k0")
    assert again.content == answers[0].content
