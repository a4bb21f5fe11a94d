"""A key is valid for one body and one caller, its request is carried out once, and its response stays the same."""

import pytest
from django.db import DatabaseError
from django.utils import timezone

from agents.models import Agent
from controlplane.api import idempotency
from controlplane.api.models import Request
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber
from tests.api.caller import TWILIO, Caller, person, problem
from tests.operations.clock import recover

pytestmark = pytest.mark.django_db


WRITES = {
    "create": lambda _: ("POST", "/agents", {"name": "New"}, "/v1/convai/agents/create"),
    "change": lambda w: ("PATCH", f"/agents/{w.support.remote_id}", {"name": "New"}, "/v1/convai/agents/*"),
    "delete": lambda w: ("DELETE", f"/agents/{w.sales.remote_id}", None, "/v1/convai/agents/*"),
    "import": lambda _: (
        *("POST", "/numbers/import", {"phone_number": "+14155550009", "label": "x", **TWILIO}),
        "/v1/convai/phone-numbers",
    ),
    "move": lambda w: (
        *("PATCH", f"/numbers/{w.bound.remote_id}/assign", {"agent_id": w.sales.remote_id}),
        "/v1/convai/phone-numbers/*",
    ),
    "remove": lambda w: ("DELETE", f"/numbers/{w.bound.remote_id}", None, "/v1/convai/phone-numbers/*"),
}


FAILING = {("create", 422), ("move", 401), ("change", "late"), ("import", "late"), ("remove", "late")}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, marks=[] if fault is None or (name, fault) in FAILING else pytest.mark.slow)
        for name in WRITES
        for fault in (None, 422, 401, "late")
    ],
)
def test_the_same_key_gives_the_same_answer(name, fault, clock, workspace, call):
    method, path, body, there = WRITES[name](workspace)
    if fault:
        how = {"status": 500, "when": "after"} if fault == "late" else {"status": fault}
        clock.remote.fault(method, there, "status", **how)
    first = call(method, path, body, key="k")
    last = clock.remote.call_report()["last_id"]

    again = call(method, path, body, key="k")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert clock.remote.calls(since=last) == []
    assert Operation.objects.count() == 1
    op = Operation.objects.get()
    if fault == "late":
        assert first.status_code == 202
        assert first["Location"] == again["Location"] == f"/api/operations/{op.pk}"
        assert call.get(f"/operations/{op.pk}")["state"] == "sent"
        recover(clock)
        settled, last = call(method, path, body, key="k"), clock.remote.call_report()["last_id"]
        assert settled.json()["state"] == "done"
        assert call(method, path, body, key="k").content == settled.content
        assert clock.remote.calls(since=last) == []
    elif fault:
        error = problem(first, 422 if fault == 422 else 502, "refused")
        assert (error["operation"], error["trace_id"]) == (op.pk, op.trace_id)
        assert op.trace_id
    else:
        assert first.status_code == (201 if method == "POST" else 200)


def test_the_response_stays_the_same_after_later_changes(remote, workspace, call):
    """The stored result is returned before any check of the current state."""
    path, body = f"/numbers/{workspace.bound.remote_id}/assign", {"agent_id": workspace.sales.remote_id}
    first = call("PATCH", path, body, key="move")
    deleted = call("DELETE", f"/agents/{workspace.support.remote_id}", key="delete")
    assert (first.status_code, deleted.status_code) == (200, 200)
    Agent.objects.filter(pk=workspace.sales.pk).update(archived=True)
    Agent.objects.filter(pk=workspace.support.pk).update(remote_data={})
    PhoneNumber.objects.filter(pk=workspace.bound.pk).update(gone_at=timezone.now())
    assert call("PATCH", path, body, key="move").content == first.content
    assert call("DELETE", f"/agents/{workspace.support.remote_id}", key="delete").content == deleted.content


@pytest.mark.parametrize("name", WRITES)
def test_another_body_with_the_same_key_is_409(name, remote, workspace, call):
    method, path, body, _ = WRITES[name](workspace)
    assert call(method, path, body, key="k").status_code in (200, 201)
    last = remote.call_report()["last_id"]
    others = [(method, path + ("?reason=other" if body is None else ""), {**body, "reason": "other"} if body else None)]
    others.append(("POST", "/agents", {"name": "Another"}))
    for other in others:
        error = problem(call(*other, key="k"), 409, "key-reused")
        assert error["operation"] == Operation.objects.get().pk
    assert problem(call("POST", "/sync", {}, key="k"), 409, "key-reused")
    assert remote.calls(since=last) == []


def test_a_key_is_ones_own(remote, call):
    first = call("POST", "/agents", {"name": "Mine"}, key="k")
    other = Caller(person("otto", "Operators"))
    second = other("POST", "/agents", {"name": "Theirs"}, key="k")
    assert first.json()["object_id"] != second.json()["object_id"]
    assert Operation.objects.count() == 2
    mine = Operation.objects.get(pk=first.json()["id"])
    stolen = other("POST", "/agents", {"name": "Mine"}, key=mine.key)
    assert stolen.json()["id"] != mine.pk


def test_a_key_is_needed_and_is_plain(call):
    for key in ("", "a b", "x" * 201, "ä"):
        answer = call("POST", "/agents", {"name": "x"}, **{"Idempotency-Key": key})
        assert problem(answer, 422, "invalid")["fields"][0]["field"] == "Idempotency-Key", key
    assert not Request.objects.exists()


def test_a_request_refused_by_a_lock_can_be_repeated_with_the_same_key(clock, workspace, call):
    """A key is not used up by a request that created no operation."""
    path = f"/numbers/{workspace.bound.remote_id}/assign"
    clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500)
    first = call("PATCH", path, {"agent_id": None})
    assert first.status_code == 202
    held = call("PATCH", path, {"agent_id": workspace.sales.remote_id}, key="mine")
    assert problem(held, 409, "held")["operation"] == first.json()["id"]
    recover(clock)
    assert call("PATCH", path, {"agent_id": workspace.sales.remote_id}, key="mine").status_code == 200


WRONG = {
    "create": {"name": " "},
    "change": {"speed": 9},
    "import": {"phone_number": "no number", "label": "x", **TWILIO},
    "move": {"agent_id": "agent_of_nobody"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_body_that_is_refused_before_anything_is_recorded_leaves_the_key_free(name, remote, workspace, call):
    method, path, body, _ = WRITES[name](workspace)
    since = remote.call_report()["last_id"]
    problem(call(method, path, WRONG[name], key="k"), 422, "invalid")
    assert not Request.objects.exists()
    assert remote.calls(since=since) == []

    mended = call(method, path, body, key="k")

    assert mended.status_code in (200, 201), mended.content
    assert Request.objects.get().key == Operation.objects.get().key
    problem(call(method, path, WRONG[name], key="k"), 409, "key-reused")


def test_a_deletion_that_lacks_something_leaves_the_key_free(remote, workspace, call):
    path = f"/agents/{workspace.support.remote_id}"
    problem(call("DELETE", path, key="k"), 409, "has-numbers")
    problem(call("DELETE", f"{path}?numbers=move", key="k"), 422, "invalid")
    planned = call("DELETE", f"{path}?numbers=release", key="k")
    assert (planned.status_code, Request.objects.count()) == (202, 1)
    assert problem(call("DELETE", f"{path}?numbers=move", key="k"), 409, "key-reused")
    assert call("DELETE", f"{path}?numbers=release", key="k").json()["id"] == planned.json()["id"]


def test_another_body_between_lookup_and_record_is_refused(remote, workspace, call, monkeypatch):
    """Both are the same action in the journal; only the reason differs."""
    path, sales = f"/numbers/{workspace.bound.remote_id}/assign", workspace.sales.remote_id
    first, looks = idempotency.find_earlier, []

    def quicker(*args):
        looks.append(args)
        if len(looks) == 1:  # nothing is stored yet, and then another process is faster
            assert call("PATCH", path, {"agent_id": sales, "reason": "one"}, key="k").status_code == 200
            return None
        return first(*args)

    monkeypatch.setattr(idempotency, "find_earlier", quicker)
    problem(call("PATCH", path, {"agent_id": sales, "reason": "two"}, key="k"), 409, "key-reused")
    assert len(remote.calls(method="PATCH", path="/v1/*")) == Operation.objects.count() == 1


def test_the_request_is_recorded_together_with_the_operation(remote, call, monkeypatch):
    def broken(*args, **more):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Request, "save", broken)
    error = problem(call("POST", "/agents", {"name": "New"}, key="k"), 503, "not-sent")
    assert "could not be recorded" in error["detail"]
    assert not Operation.objects.exists()
    assert remote.calls(method="POST", path="/v1/*") == []


def test_a_key_that_came_long_ago_never_gives_the_answer_of_something_else(remote, call):
    first = call("POST", "/agents", {"name": "New"}, key="k")
    Request.objects.all().delete()  # as after 30 days
    error = problem(call("POST", "/agents", {"name": "Another"}, key="k"), 409, "key-reused")
    assert error["operation"] == first.json()["id"]
    assert call("POST", "/agents", {"name": "New"}, key="k").content == first.content
