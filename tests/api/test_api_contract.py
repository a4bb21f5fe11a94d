"""Rules for every URL under /api/: problem responses, size limits, CORS, the OpenAPI document and its page."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings as used
from django.contrib.staticfiles import finders
from django.test import Client

from tests.api.caller import Caller, person, problem

pytestmark = pytest.mark.django_db


def test_every_error_is_a_problem(call):
    problem(call("GET", "/no-such"), 404, "not-found")
    problem(call("GET", "/"), 404, "not-found")
    refused = call("PUT", "/agents", {})
    problem(refused, 405, "method-not-allowed")
    assert set(refused["Allow"].split(", ")) == {"GET", "POST"}
    problem(call("GET", "/agents?q=a%00b"), 400, "bad-request")
    for body in (b"{", b"\xff\xfe", b"", b"[" * 100_000, b"1" * 5000, b'{"name":'):
        response = call("POST", "/agents", body)
        assert response.status_code in (400, 422), body[:20]
        assert response["Content-Type"] == "application/problem+json"
    response = Client().get("/api/agents")
    problem(response, 401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_look_at_the_head_is_a_look(look):
    for path in ("/agents", "/agents/no_such", "/no-such", "/history?nonsense=1"):
        head, whole = look("HEAD", path), look("GET", path)
        assert head.status_code == whole.status_code
        assert head.content == b""
        assert head["Content-Type"] == whole["Content-Type"]


def test_a_body_of_unknown_length_is_not_treated_as_empty(call):
    problem(call("POST", "/sync", **{"Transfer-Encoding": "chunked", "Content-Length": ""}), 411, "length-required")


def test_http_is_refused_where_https_is_spoken(call, settings):
    """A redirect would turn a POST into a GET, and hide that the token was sent in clear text."""
    settings.SECURE_SSL_REDIRECT = True
    for method in ("GET", "POST", "DELETE"):
        problem(call(method, "/agents", {"name": "x"}), 403, "https-only")
    problem(call("POST", "/token", {"username": "olga", "password": "x"}), 403, "https-only")
    assert Client().get("/api/docs")["Location"] == "https://testserver/api/docs"
    assert call.client.get("/api/agents", headers={"Authorization": f"Bearer {call.access}"}, secure=True).json()


def test_a_form_is_no_body_of_the_api(call):
    for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--x--\r\n'
        headers = {"Authorization": f"Bearer {call.access}", "Idempotency-Key": "one"}
        answer = call.client.generic("POST", "/api/agents", body, content_type=kind, headers=headers)
        problem(answer, 400, "malformed")


def test_a_fault_of_ours_is_a_problem_without_its_inside(call, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("the inside")

    monkeypatch.setattr("agents.api.page", broken)
    response = call("GET", "/agents")
    assert "inside" not in response.content.decode()
    problem(response, 500, "internal-server-error")


def test_errors_are_reported_without_repeating_the_input(call):
    canary = "canary-5d1f"
    wrong = {
        "phone_number": [canary],
        "label": {"x": canary},
        "sid": canary,
        "token": 7,
        "enable_sms": canary,
        canary: 1,
    }
    response = call("POST", "/numbers/import", {**wrong, "token": [canary], "account_auth_token": {"x": canary}})
    problem(response, 422, "invalid")
    text = re.sub(rf'"field": "{canary}"', "", response.content.decode())
    assert canary not in text, "only the name of a field may be repeated"


def test_a_body_that_is_too_large_is_not_read(call):
    huge = json.dumps({"name": "x" * used.API_MAX_BODY_BYTES}).encode()
    problem(call("POST", "/agents", huge), 413, "too-large")
    for size in ("x", "-1", "9" * 30):
        response = call.client.generic(
            "POST", "/api/agents", b"{}", content_type="application/json", CONTENT_LENGTH=size
        )
        problem(response, 413, "too-large")


@pytest.mark.parametrize("path", ["/token", "/token/refresh", "/token/revoke"])
def test_a_body_that_anybody_may_send_is_small(path, db):
    body = json.dumps({"refresh_token": [[]] * used.API_MAX_TOKEN_BODY_BYTES}).encode()
    problem(Caller(None)("POST", path, body), 413, "too-large")


def test_nothing_of_it_is_kept_by_browsers_and_no_cookie_is_set(call):
    for path in ("/agents", "/numbers", "/history", "/no-such"):
        answer = call("GET", path)
        assert answer["Cache-Control"] == "no-store"
        assert not answer.cookies


ORIGIN = {"Origin": "https://panel.example.com"}
PREFLIGHT = {
    **ORIGIN,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,idempotency-key",
}


def test_no_other_site_is_let_in_unless_it_is_named(call, settings):
    assert used.CORS_ALLOWED_ORIGINS == []
    for answer in (call("GET", "/agents", **ORIGIN), Client().options("/api/agents", headers=PREFLIGHT)):
        assert "Access-Control-Allow-Origin" not in answer
    settings.CORS_ALLOWED_ORIGINS = ["https://panel.example.com"]
    preflight = Client().options("/api/agents", headers=PREFLIGHT)
    assert preflight["Access-Control-Allow-Origin"] == "https://panel.example.com"
    assert {"PATCH", "DELETE"} <= set(preflight["Access-Control-Allow-Methods"].split(", "))
    assert {"authorization", "idempotency-key"} <= set(preflight["Access-Control-Allow-Headers"].split(", "))
    assert call("GET", "/agents", **ORIGIN)["Access-Control-Allow-Origin"] == "https://panel.example.com"
    for answer in (
        call("GET", "/agents", Origin="https://evil.example.com"),
        call("GET", "/agents", Origin="null"),
        Client().get("/admin/login/", headers=ORIGIN),
        Client().options("/admin/login/", headers=PREFLIGHT),
    ):
        assert "Access-Control-Allow-Origin" not in answer
    assert "Access-Control-Allow-Credentials" not in call("GET", "/agents", **ORIGIN)


def test_the_document_is_whole():
    document = Client().get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    names = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))
    assert set(names) <= set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for method, details in methods.items():
            assert ("security" in details) == (not path.startswith("/api/token")), path
            needs_key = method != "get" and "security" in details
            assert needs_key == ("Idempotency-Key" in {one["name"] for one in details["parameters"]}), (method, path)
            for status, response in details["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


def test_its_page_is_served_from_here_and_fits_the_content_security_policy():
    answer = Client().get("/api/docs")
    page = answer.content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/static/ninja/"), source
        assert finders.find(source.removeprefix("/static/")), source
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all("src=" in script or 'type="application/json"' in script for script in scripts), "no inline script"
    assert "script-src 'self' 'unsafe-eval'" in answer["Content-Security-Policy"]


def test_the_rate_is_at_least_one(settings):
    from controlplane.checks import api

    assert api(None) == []
    settings.API_RATE_PER_MINUTE = 0
    assert [one.id for one in api(None)] == ["controlplane.E014"]


def test_every_environment_variable_of_the_api_is_documented():
    for name in ("API_RATE_PER_MINUTE", "API_PASSWORD_SIGN_IN", "API_CORS_ORIGINS"):
        for file in ("README.md", ".env.example"):
            assert name in Path(used.BASE_DIR, file).read_text(), (name, file)


def test_a_person_without_any_right_sees_nothing(remote):
    call = Caller(person("nina"))
    for path in ("/agents", "/numbers", "/operations", "/history"):
        problem(call("GET", path), 403, "forbidden")


def test_each_endpoint_has_its_own_title_under_a_matching_heading():
    document = Client().get("/api/openapi.json").json()
    headings = {one["name"]: one["description"] for one in document["tags"]}
    ends = [details for methods in document["paths"].values() for details in methods.values()]
    for details in ends:
        function = details["operationId"].replace("_", " ")
        assert details["summary"].lower() != function, "the name of a function is not a title"
        assert " " in details["summary"]
        assert len(details["summary"]) <= 40
        assert details["summary"][0].isupper()
        assert len(details["tags"]) == 1
    for name in ("summary", "operationId"):
        assert len({details[name] for details in ends}) == len(ends), name
    assert list(headings) == list(dict.fromkeys(details["tags"][0] for details in ends))
    assert all(headings.values())
    assert not any("api" in details["operationId"].split("_") for details in ends), "client generators use these names"
