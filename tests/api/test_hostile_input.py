"""Malicious and mistyped requests are refused with an explanation before anything is done."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from controlplane.api import tokens
from controlplane.api.models import Token
from controlplane.audit.models import Entry
from controlplane.operations.models import Operation
from tests.api.caller import TWILIO, person, problem

pytestmark = pytest.mark.django_db


def deep(levels: int, opened: str = '{"a":', closed: str = "}") -> bytes:
    settings = b'{"conversation_config":' + opened.encode() * levels + b"1" + closed.encode() * levels + b"}"
    return b'{"name":"x","settings":' + settings + b"}"


@pytest.mark.parametrize(
    "body",
    [
        *(deep(levels) for levels in (101, 300, 400)),
        deep(300, "[", "]"),
        b'{"name":"x","settings":{"conversation_config":{"\\ud800":1}}}',
        b'{"name":"x","settings":{"\\ud800":1}}',
    ],
    ids=["101", "300", "400", "lists", "half a character", "half a character above"],
)
def test_settings_that_cannot_be_stored_are_reported_at_their_field(body, remote, call):
    assert {one["field"] for one in problem(call("POST", "/agents", body), 422, "invalid")["fields"]} == {"settings"}
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"name":"one","name":"two"}', "Duplicate key"),
        (b'{"name":"x","settings":{"workflow":{"a":1,"a":2}}}', "Duplicate key"),
        (b'{"name":"x","temperature":NaN}', "NaN is not valid JSON"),
        (b'{"name":"x","settings":{"workflow":NaN}}', "NaN is not valid JSON"),
        (b'{"name":"x","temperature":-Infinity}', "Infinity is not valid JSON"),
        (b'{"name":"x","max_duration_seconds":' + b"9" * 5000 + b"}", "too long"),
        (deep(100_000), "too deep"),
        (b"name=x", "not JSON"),
        (b'{"name":"\xe9"}', "not JSON"),
        (b"\x1f\x8b\x08", "not JSON"),
    ],
)
def test_invalid_json_and_duplicate_keys_are_malformed(body, detail, remote, call):
    assert detail in problem(call("POST", "/agents", body), 400, "malformed")["detail"]
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, bad) for field in ("token", "account_auth_token", "region_token") for bad in ("\ud800", "a\0b")],
)
def test_credentials_that_no_text_can_hold_go_nowhere(field, value, remote, call):
    body = {"phone_number": "+14155550009", "label": "x", **TWILIO, "sid": "SK" + "1" * 32, "account_auth_token": "y"}
    error = problem(call("POST", "/numbers/import", {**body, "region": "ie1", field: value}), 422, "invalid")
    assert field in {one["field"] for one in error["fields"]}
    assert remote.calls(method="POST", path="/v1/*") == []


@pytest.mark.parametrize("password", ["\ud800", "a\0b", "\udfff" * 4096])
def test_a_password_that_no_text_can_hold_is_just_wrong(password, remote):
    person("olga")
    body = json.dumps({"username": "olga", "password": password})
    response = Client(raise_request_exception=False).post("/api/token", body, content_type="application/json")
    assert response.status_code in (401, 422), response.content
    assert "\\ud" not in response.content.decode()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_a_moment_at_the_end_of_time_is_a_moment(name, moment, look):
    Entry.objects.create(kind="agent.added", object_type="agent", object_id="a", actor_name="x", cause="sync")
    found = bool(look.get(f"/history?what=agent&{name}={moment}")["items"])
    assert found == (moment.startswith("0001") == (name == "since"))


@pytest.mark.parametrize("value", ["2020", "-1", "1e9", "1764201600", "nan"])
def test_a_bare_number_is_no_moment(value, look):
    """As Unix time it would be a moment in 1970, and everything would be newer."""
    for name in ("since", "until"):
        assert problem(look("GET", f"/history?{name}={value}"), 422, "invalid")["fields"][0]["field"] == name


@pytest.mark.parametrize("path", ["/agents", "/numbers", "/operations", "/history"])
def test_a_misspelt_or_repeated_filter_is_refused(path, look):
    for query, field in (("stat=gone", "stat"), ("q=a&q=b", "q"), ("limit=1&limit=2", "limit"), ("=x", "")):
        error = problem(look("GET", f"{path}?{query}"), 422, "invalid")
        assert [one["field"] for one in error["fields"]] == [field], query


def test_a_misspelt_expectation_is_no_leave_to_go_on(remote, workspace, call):
    path = f"/numbers/{workspace.bound.remote_id}"
    for query in ("expected_agent=", "expected_agent_id=&expected_agent_id=" + workspace.support.remote_id):
        problem(call("DELETE", f"{path}?{query}"), 422, "invalid")
    problem(call("PATCH", f"{path}/assign?expected_agent_id=", {"agent_id": None}), 422, "invalid")
    assert not Operation.objects.exists()


def test_permissions_are_checked_before_anything_is_read(look):
    assert problem(look("DELETE", "/numbers/x?nonsense=1"), 403, "forbidden")


def test_a_token_that_is_given_back_while_its_user_is_out_stays_out(remote):
    olga = person("olga", "Operators")
    _, secret = tokens.issue(olga, name="x", lives=timedelta(days=1), by=None, by_name="system")
    olga.is_active = False
    olga.save()
    body = json.dumps({"refresh_token": secret})
    assert Client().post("/api/token/revoke", body, content_type="application/json").status_code == 204
    assert Token.objects.get().revoked_at is not None
    olga.is_active = True
    olga.save()
    answer = Client().post("/api/token/refresh", body, content_type="application/json")
    problem(answer, 401, "unauthorized")


def test_the_end_of_a_token_that_is_over_changes_nothing_of_it(remote):
    past = timezone.now() - timedelta(days=1)
    _, secret = tokens.issue(person("olga"), name="x", lives=timedelta(days=1), by=None, by_name="system")
    Token.objects.update(revoked_at=past, revoked_by_name="anna")
    body = json.dumps({"refresh_token": secret})
    assert Client().post("/api/token/revoke", body, content_type="application/json").status_code == 204
    assert (Token.objects.get().revoked_at, Token.objects.get().revoked_by_name) == (past, "anna")
