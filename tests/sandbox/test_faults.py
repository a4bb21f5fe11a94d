"""Every scripted fault: what the caller gets, and whether the write was applied."""

import threading
from typing import Any

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ReadTimeout
from requests.exceptions import ConnectionError as Broken

from tests.sandbox_process import Sandbox

NUMBERS = "/v1/convai/phone-numbers"


@pytest.fixture
def number(sandbox: Sandbox) -> str:
    return sandbox.import_number()


def rename(sandbox: Sandbox, number: str, **options: Any) -> requests.Response:
    return sandbox.call("PATCH", f"{NUMBERS}/{number}", json={"label": "New"}, **options)


def applied(sandbox: Sandbox, number: str) -> bool:
    assert sandbox.waiting_faults() == []
    return bool(sandbox.get(f"{NUMBERS}/{number}")["label"] == "New") and len(sandbox.ledger()) == 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503])
def test_status(sandbox: Sandbox, number: str, status: int, when: str) -> None:
    sandbox.fault("PATCH", f"{NUMBERS}/*", "status", status=status, when=when)
    response = rename(sandbox, number, allow_redirects=False)
    assert response.status_code == status
    if status >= 400:
        assert "detail" in response.json()
    assert applied(sandbox, number) == (when == "after")


def test_status_with_its_own_body_and_headers(sandbox: Sandbox, number: str) -> None:
    sandbox.fault(
        "PATCH", "*", "status", status=429, body={"detail": {"status": "system_busy"}}, headers={"retry-after": "7"}
    )
    response = rename(sandbox, number)
    assert response.json() == {"detail": {"status": "system_busy"}}
    assert response.headers["retry-after"] == "7"


def test_status_with_a_body_that_is_no_json(sandbox: Sandbox, number: str) -> None:
    sandbox.fault("GET", "*", "status", status=200, raw=b'{"label": "\xff", "n": NaN')
    assert sandbox.call("GET", f"{NUMBERS}/{number}").content == b'{"label": "\xff", "n": NaN'


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("fault", "text"), [("empty", ""), ("html", "<!doctype html>"), ("garbage", '{"agents": [')])
def test_odd_success(sandbox: Sandbox, number: str, fault: str, text: str, when: str) -> None:
    sandbox.fault("PATCH", "*", fault, when=when)
    response = rename(sandbox, number)
    assert response.status_code == 200
    assert response.text.startswith(text)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()
    assert applied(sandbox, number) == (when == "after")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("fault", "error"), [("reset", Broken), ("not_http", Broken), ("truncate", ChunkedEncodingError)]
)
def test_broken_connections(sandbox: Sandbox, number: str, fault: str, error: type[Exception], when: str) -> None:
    sandbox.fault("PATCH", "*", fault, when=when)
    with pytest.raises(error):
        rename(sandbox, number)
    assert applied(sandbox, number) == (when == "after")


@pytest.mark.parametrize("when", ["before", "after"])
def test_hang_until_the_caller_gives_up(sandbox: Sandbox, number: str, when: str) -> None:
    sandbox.fault("PATCH", "*", "hang", when=when)
    with pytest.raises(ReadTimeout):
        rename(sandbox, number, timeout=0.2)
    assert sandbox.wait_for_call("PATCH", answered=True)["status"] == 0
    assert applied(sandbox, number) == (when == "after")


def test_hang_is_let_go_by_clearing(sandbox: Sandbox, number: str) -> None:
    sandbox.fault("PATCH", "*", "hang")
    ended: list[type[Exception]] = []

    def attempt() -> None:
        try:
            requests.patch(f"{sandbox.url}{NUMBERS}/{number}", json={}, headers={"xi-api-key": sandbox.key}, timeout=60)
        except Broken as error:
            ended.append(type(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    assert sandbox.wait_for_call("PATCH")["status"] is None
    sandbox.clear_faults()
    thread.join(timeout=30)
    assert ended == [Broken]


@pytest.mark.parametrize("when", ["before", "after"])
def test_pause_holds_a_call_and_then_answers_it(sandbox: Sandbox, number: str, when: str) -> None:
    sandbox.fault("PATCH", "*", "pause", when=when)
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(
            requests.patch(
                f"{sandbox.url}{NUMBERS}/{number}",
                json={"label": "New"},
                headers={"xi-api-key": sandbox.key},
                timeout=60,
            ).status_code
        )
    )
    thread.start()
    sandbox.wait_for_call("PATCH")
    if when == "before":
        assert len(sandbox.ledger()) == 1
    sandbox.clear_faults()
    thread.join(timeout=30)
    assert answers == [200]
    assert applied(sandbox, number)


def test_drip(sandbox: Sandbox, number: str) -> None:
    sandbox.fault("GET", f"{NUMBERS}/*", "drip", seconds=0.001)
    assert sandbox.get(f"{NUMBERS}/{number}")["label"] == "Line"
    sandbox.fault("GET", f"{NUMBERS}/*", "drip", seconds=60)
    with pytest.raises(Broken):  # a read timeout in the middle of a body
        sandbox.call("GET", f"{NUMBERS}/{number}", timeout=0.2)


@pytest.mark.parametrize("fault", ["huge", "gzip_bomb"])
def test_more_than_anyone_wants(sandbox: Sandbox, number: str, fault: str) -> None:
    sandbox.fault("GET", "*", fault)
    with sandbox.call("GET", f"{NUMBERS}/{number}", stream=True) as response:
        assert response.status_code == 200
        if fault == "huge":
            assert int(response.headers["content-length"]) == 1 << 30
        read = 0
        for chunk in response.iter_content(1 << 20):
            read += len(chunk)
            if read > 20 << 20:
                break
    assert read > 20 << 20
    assert sandbox.get(f"{NUMBERS}/{number}")["label"] == "Line"


def test_edit_replaces_fields_of_the_true_answer(sandbox: Sandbox) -> None:
    sandbox.reset(agents=3)
    sandbox.fault("GET", "/v1/convai/agents", "edit", body={"has_more": True, "next_cursor": None})
    answer = sandbox.get("/v1/convai/agents")
    assert (len(answer["agents"]), answer["has_more"], answer["next_cursor"]) == (3, True, None)


def test_order_skip_times_and_query(sandbox: Sandbox) -> None:
    sandbox.faults(
        [
            {"method": "GET", "path": "/v1/convai/agents", "fault": "status", "status": 500, "skip": 1, "times": 2},
            {"path": "/v1/convai/agents", "fault": "status", "status": 503, "query": "archived=true"},
        ]
    )
    statuses = [sandbox.call("GET", "/v1/convai/agents").status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert sandbox.call("GET", "/v1/convai/agents?archived=true").status_code == 503
    assert sandbox.waiting_faults() == []


def test_rate(sandbox: Sandbox) -> None:
    sandbox.fault("GET", "/v1/user", "status", status=500, rate=0.3, times=1000)
    statuses = [sandbox.call("GET", "/v1/user").status_code for _ in range(200)]
    assert 20 < statuses.count(500) < 120
    sandbox.clear_faults()
    assert sandbox.call("GET", "/v1/user").ok


def test_a_fault_does_not_touch_the_control_surface(sandbox: Sandbox) -> None:
    sandbox.fault("*", "*", "status", status=500)
    assert sandbox.settings()
    assert sandbox.call("GET", "/v1/user").status_code == 500


@pytest.mark.parametrize(
    "wrong", [{}, [{"fault": "flood"}], [{"fault": "hang", "colour": 1}], [{"fault": "hang", "times": 0}]]
)
def test_wrong_scripts(sandbox: Sandbox, wrong: Any) -> None:
    assert sandbox.call("POST", "/_sandbox/faults", json=wrong).status_code == 422


# --- Late writes -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["status", "reset", "empty"])
def test_late_write(sandbox: Sandbox, number: str, fault: str) -> None:
    sandbox.fault("PATCH", "*", fault, when="late", late_seconds=200)
    if fault == "reset":
        with pytest.raises(Broken):
            rename(sandbox, number)
    else:
        assert rename(sandbox, number).status_code == (500 if fault == "status" else 200)
    sandbox.advance(150)
    assert not applied(sandbox, number)
    sandbox.advance(50)
    assert applied(sandbox, number)


def test_late_write_that_would_be_refused_is_refused_at_once(sandbox: Sandbox, number: str) -> None:
    sandbox.fault("PATCH", "*", "status", when="late")
    response = sandbox.call("PATCH", f"{NUMBERS}/{number}", json={"agent_id": "agent_none"})
    assert response.status_code == 404


def test_late_write_to_what_is_gone_by_then(sandbox: Sandbox, number: str) -> None:
    sandbox.fault("PATCH", "*", "status", when="late", late_seconds=200)
    rename(sandbox, number)
    sandbox.console("delete_number", number=number)
    sandbox.advance(200)
    assert [entry["kind"] for entry in sandbox.ledger()] == ["import_number", "delete_number"]
