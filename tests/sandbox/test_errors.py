"""The real service's responses to a wrong key, route or body, in their four formats."""

from typing import Any

import pytest
import requests

from tests.sandbox_process import Sandbox


def ask(
    sandbox: Sandbox, headers: dict[str, str], path: str = "/v1/convai/agents", **options: Any
) -> requests.Response:
    return requests.request(options.pop("method", "GET"), sandbox.url + path, headers=headers, timeout=20, **options)


@pytest.mark.parametrize(
    ("headers", "http", "code", "status"),
    [
        ({}, 401, "unauthorized", "needs_authorization"),
        ({"xi-api-key": ""}, 401, "unauthorized", "needs_authorization"),
        ({"xi-api-key": "sk_other"}, 401, "unauthorized", "invalid_api_key"),
        ({"xi-api-key": "sk_sandbox2"}, 401, "unauthorized", "invalid_api_key"),
        ({"xi-api-key": "9f8e7d6c5b4a39281706f5e4d3c2b1a0"}, 400, "invalid_api_key", "api_key_id_used_as_api_key"),
        ({"authorization": "Bearer sk_sandbox"}, 401, "invalid_authorization_header", "invalid_authorization_header"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/convai/agents", "/_sandbox/ledger"])
def test_wrong_keys(sandbox: Sandbox, headers: dict[str, str], http: int, code: str, status: str, path: str) -> None:
    response = ask(sandbox, headers, path)
    detail = response.json()["detail"]
    assert (response.status_code, detail["code"], detail["status"]) == (http, code, status)
    assert detail["type"] == "authentication_error"
    assert detail["request_id"] == response.headers["x-trace-id"]


def test_model_list_without_a_key_is_a_404(sandbox: Sandbox) -> None:
    response = ask(sandbox, {}, "/v1/models")
    assert (response.status_code, response.json()["detail"]["code"]) == (404, "workspace_not_found")


def test_body_is_checked_before_the_key(sandbox: Sandbox) -> None:
    response = ask(sandbox, {}, "/v1/convai/phone-numbers", method="POST", json={"provider": "twilio"})
    assert response.status_code == 422
    assert {error["loc"][-1] for error in response.json()["detail"]} == {"phone_number", "label", "sid", "token"}


def test_every_answer_carries_a_trace(sandbox: Sandbox) -> None:
    first, second = sandbox.call("GET", "/v1/user"), sandbox.call("GET", "/v1/user")
    assert first.headers["server"] == "uvicorn"
    assert first.headers["x-region"]
    assert first.headers["x-trace-id"] != second.headers["x-trace-id"]


def test_wrong_route_and_method_are_plain(sandbox: Sandbox) -> None:
    response = sandbox.call("GET", "/v1/convai/nothing/here")
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})
    response = sandbox.call("PUT", "/v1/convai/agents")
    assert (response.status_code, response.json()) == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize("path", ["/v1/convai/agents/agent_none", "/v1/convai/phone-numbers/phnum_none"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_missing_object_has_the_legacy_shape(sandbox: Sandbox, method: str, path: str) -> None:
    response = sandbox.call(method, path, json={} if method == "PATCH" else None)
    name = path.rpartition("/")[2]
    assert response.status_code == 404
    assert response.json() == {
        "detail": {"status": "document_not_found", "message": f"Document with id {name} not found."}
    }


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=101", "page_size=x", "sort_by=age", "sort_direction=up", "archived=perhaps"]
)
def test_wrong_query(sandbox: Sandbox, query: str) -> None:
    response = sandbox.call("GET", f"/v1/convai/agents?{query}")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WzAsImNyZWF0ZWRfYXQiLDEsImEiLG51bGxd", "é", "MQ"])
def test_wrong_cursor(sandbox: Sandbox, cursor: str) -> None:
    for path in ("/v1/convai/agents", "/v1/convai/v2/phone-numbers"):
        response = sandbox.call("GET", path, params={"cursor": cursor})
        assert (response.status_code, response.json()["detail"]["code"]) == (400, "invalid_cursor")
