"""An import is answered immediately, and listed later."""

import pytest

from tests.sandbox_process import Sandbox

NUMBERS = "/v1/convai/phone-numbers"


def listed(sandbox: Sandbox, agent_id: str) -> list[int]:
    return [
        len(sandbox.get(NUMBERS)),
        len(sandbox.get("/v1/convai/v2/phone-numbers")["phone_numbers"]),
        len(sandbox.get(f"/v1/convai/agents/{agent_id}")["phone_numbers"]),
    ]


@pytest.mark.parametrize("lag", [0, 5, 59, 601])
def test_lag(sandbox: Sandbox, lag: int) -> None:
    sandbox.settings(listed_after=lag + 30 if lag else 0)
    agent_id = sandbox.create_agent()
    number_id = sandbox.import_number(agent_id=agent_id)
    assert sandbox.call("GET", f"{NUMBERS}/{number_id}").status_code == 200
    if lag:
        sandbox.advance(lag)  # thirty seconds short, more than a slow machine needs for this test
        assert listed(sandbox, agent_id) == [0, 0, 0]
        sandbox.advance(30)
    assert listed(sandbox, agent_id) == [1, 1, 1]


def test_hidden_from_get_as_well(sandbox: Sandbox) -> None:
    sandbox.settings(listed_after=100, hidden_until_listed=True)
    path = f"{NUMBERS}/{sandbox.import_number()}"
    assert [sandbox.call(method, path, json={}).status_code for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]
    sandbox.advance(100)
    assert sandbox.call("GET", path).status_code == 200


def test_the_number_is_taken_although_not_listed(sandbox: Sandbox) -> None:
    sandbox.settings(listed_after=100, hidden_until_listed=True)
    sandbox.import_number()
    body = {"provider": "twilio", "phone_number": "+15551230001", "label": "x", "sid": "AC" + "a" * 32, "token": "t"}
    assert sandbox.call("POST", NUMBERS, json=body).status_code == 409


def test_default_is_five_seconds_and_reset_comes_back_to_it(sandbox: Sandbox) -> None:
    assert sandbox.settings()["listed_after"] == 5.0
    sandbox.settings(listed_after=1, after_delete="null", latency_ms=1, paging="offset")
    sandbox.reset()
    assert sandbox.settings() == {
        "listed_after": 5.0,
        "hidden_until_listed": False,
        "after_delete": "dangling",
        "latency_ms": 0.0,
        "paging": "keyset",
        "workflow": "replaces",
    }


@pytest.mark.parametrize(
    "wrong", [{"listed_after": -1}, {"after_delete": "gone"}, {"colour": "red"}, {"latency_ms": "x"}]
)
def test_wrong_switches(sandbox: Sandbox, wrong: dict[str, object]) -> None:
    assert sandbox.call("PATCH", "/_sandbox/settings", json=wrong).status_code == 422


def test_timestamps_follow_the_clock(sandbox: Sandbox) -> None:
    first = sandbox.get(f"/v1/convai/agents/{sandbox.create_agent()}")["metadata"]["created_at_unix_secs"]
    sandbox.advance(86_400)
    second = sandbox.get(f"/v1/convai/agents/{sandbox.create_agent()}")["metadata"]["created_at_unix_secs"]
    assert second - first >= 86_400
