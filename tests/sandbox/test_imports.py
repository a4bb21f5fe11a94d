"""Importing a number: what is accepted, what is refused, and the magic values."""

from typing import Any

import pytest
import requests

from tests.sandbox_process import Sandbox

NUMBERS = "/v1/convai/phone-numbers"
AC, SK = "AC" + "a1" * 16, "SK" + "b2" * 16


def bring(sandbox: Sandbox, **changes: Any) -> requests.Response:
    body = {"provider": "twilio", "phone_number": "+15551230001", "label": "Main", "sid": AC, "token": "secret"}
    merged = {name: value for name, value in {**body, **changes}.items() if value is not ...}
    return sandbox.call("POST", NUMBERS, json=merged)


def test_answer_is_only_the_id(sandbox: Sandbox) -> None:
    response = bring(sandbox)
    assert response.status_code == 200
    assert list(response.json()) == ["phone_number_id"]
    number = sandbox.get(f"{NUMBERS}/{response.json()['phone_number_id']}")
    assert number == {
        "phone_number": "+15551230001",
        "label": "Main",
        "supports_inbound": True,
        "supports_outbound": True,
        "phone_number_id": response.json()["phone_number_id"],
        "assigned_agent": None,
        "provider": "twilio",
    }


def test_with_an_agent_in_one_step(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent("Support Bot")
    number = sandbox.get(f"{NUMBERS}/{bring(sandbox, agent_id=agent_id).json()['phone_number_id']}")
    assert number["assigned_agent"]["agent_id"] == agent_id
    assert number["assigned_agent"]["agent_name"] == "Support Bot"


@pytest.mark.parametrize("again", ["+15551230001", "+1 (555) 123-0001", "+1.555.123.0001"])
def test_a_number_already_there(sandbox: Sandbox, again: str) -> None:
    bring(sandbox)
    response = bring(sandbox, phone_number=again, label="Twice")
    detail = response.json()["detail"]
    assert (response.status_code, detail["type"], detail["code"]) == (409, "conflict", "resource_already_exists")
    assert len(sandbox.ledger()) == 1


@pytest.mark.parametrize(
    ("changes", "http", "status", "param"),
    [
        ({"sid": "AC" + "0" * 32}, 400, "twilio_error", None),
        ({"token": "wrong-token"}, 400, "twilio_error", None),
        ({"sid": SK, "account_auth_token": "wrong-token"}, 400, "twilio_error", None),
        ({"sid": "AC123"}, 400, "invalid_parameters", "sid"),
        ({"sid": "XX" + "a" * 32}, 400, "invalid_parameters", "sid"),
        ({"sid": SK}, 400, "missing_required_field", "account_auth_token"),
        ({"token": "  "}, 400, "invalid_parameters", "token"),
        ({"phone_number": "+15005550001"}, 400, "invalid_parameters", "phone_number"),
        ({"phone_number": "+15005550009"}, 409, "resource_already_exists", "phone_number"),
        ({"phone_number": "5551230001"}, 400, "invalid_parameters", "phone_number"),
        ({"phone_number": "\uff0b\uff11555"}, 400, "invalid_parameters", "phone_number"),
        ({"agent_id": "agent_none"}, 404, "document_not_found", None),
    ],
)
def test_refusals(sandbox: Sandbox, changes: dict[str, Any], http: int, status: str, param: str | None) -> None:
    response = bring(sandbox, **changes)
    detail = response.json()["detail"]
    assert (response.status_code, detail["status"], detail.get("param")) == (http, status, param)
    assert sandbox.ledger() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ...},
        {"sid": 5},
        {"label": None},
        {"provider": "carrier_pigeon"},
        {"region_config": {"region_id": "xx"}},
    ],
)
def test_wrong_shapes(sandbox: Sandbox, changes: dict[str, Any]) -> None:
    assert bring(sandbox, **changes).status_code == 422


def test_api_key_sid_with_the_account_token(sandbox: Sandbox) -> None:
    assert bring(sandbox, sid=SK, account_auth_token="other").status_code == 200


def test_an_error_that_repeats_the_token(sandbox: Sandbox) -> None:
    """A remote may do this, so the code that reads its errors must handle it."""
    response = bring(sandbox, token="echo-canary")
    assert response.status_code == 400
    assert "echo-canary" in response.json()["detail"]["message"]


def test_outbound_only(sandbox: Sandbox) -> None:
    number_id = bring(sandbox, phone_number="+15005550007").json()["phone_number_id"]
    assert sandbox.get(f"{NUMBERS}/{number_id}")["supports_inbound"] is False
    response = sandbox.call("PATCH", f"{NUMBERS}/{number_id}", json={"agent_id": sandbox.create_agent()})
    assert (response.status_code, response.json()["detail"]["param"]) == (400, "agent_id")


@pytest.mark.parametrize("agent_id", ["agent_none", ""])
def test_unassigning(sandbox: Sandbox, agent_id: str) -> None:
    number_id = sandbox.import_number()
    response = sandbox.call("PATCH", f"{NUMBERS}/{number_id}", json={"agent_id": agent_id})
    assert (response.status_code, response.json()["detail"]["status"]) == (404, "document_not_found")


def test_patch_touches_only_what_it_names(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent()
    number_id = sandbox.import_number(agent_id=agent_id)
    path = f"{NUMBERS}/{number_id}"
    assert sandbox.call("PATCH", path, json={"label": "New"}).json()["assigned_agent"]["agent_id"] == agent_id
    assert sandbox.call("PATCH", path, json={"phone_number": "+15559999999", "label": None}).json()["label"] == "New"
    assert sandbox.get(path)["phone_number"] == "+15551230001"
    assert sandbox.call("PATCH", path, json={"agent_id": None}).json()["assigned_agent"] is None
    assert sandbox.get(path)["label"] == "New"


def test_sip_trunk(sandbox: Sandbox) -> None:
    outbound = {"address": "sip.example.com", "credentials": {"username": "u", "password": "canary-sip"}}
    body = {"provider": "sip_trunk", "phone_number": "front-desk", "label": "SIP", "outbound_trunk_config": outbound}
    number_id = sandbox.call("POST", NUMBERS, json=body).json()["phone_number_id"]
    number = sandbox.get(f"{NUMBERS}/{number_id}")
    assert number["phone_number"] == "front-desk"
    assert number["outbound_trunk"]["has_auth_credentials"] is True
    assert "canary-sip" not in str(number)
