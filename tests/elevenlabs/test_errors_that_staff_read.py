"""Every format of an error body becomes one plain, harmless line with the right meaning."""

import json
import string

import pytest

from controlplane.elevenlabs import errors
from controlplane.elevenlabs.error_mapping import Reply, clean, from_reply
from controlplane.elevenlabs.errors import Outcome

PROMPT = "You are a very secret assistant of the house of Usher. " * 5
TOKEN = "0123456789abcdef0123456789abcdef"


def error_of(status, body, sent=None, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_reply(Reply(status, headers, raw), sent)


def detail(**values):
    return {"detail": values}


CASES = [
    (401, detail(type="authentication_error", code="unauthorized", message="Invalid API key", status="invalid_api_key"),
     errors.KeyRefused, "invalid_api_key"),
    (401, detail(status="needs_authorization", code="unauthorized", message="Neither authorization header nor ..."),
     errors.KeyRefused, "needs_authorization"),
    (400, detail(type="authentication_error", code="invalid_api_key", status="api_key_id_used_as_api_key", message="x"),
     errors.KeyRefused, "api_key_id_used_as_api_key"),
    (404, detail(type="not_found", code="workspace_not_found", message="Workspace 1anonymous1 not found."),
     errors.KeyRefused, "workspace_not_found"),
    (401, b"", errors.KeyRefused, ""),
    (401, detail(status="quota_exceeded", message="no credits"), errors.ElevenLabsError, "quota_exceeded"),
    (402, detail(type="payment_required", code="insufficient_credits", message="x"), errors.ElevenLabsError,
     "insufficient_credits"),
    (403, detail(type="authorization_error", code="subscription_required", status="output_format_not_allowed"),
     errors.ElevenLabsError, "output_format_not_allowed"),
    (403, detail(type="authorization_error", code="voice_access_denied"), errors.Forbidden, "voice_access_denied"),
    (403, b"<html>forbidden</html>", errors.Forbidden, ""),
    (404, detail(status="document_not_found", message="Document with id agent_01 not found."), errors.NotFound,
     "document_not_found"),
    (404, detail(status="agent_not_found", message="Agent not found"), errors.NotFound, "agent_not_found"),
    (404, detail(type="not_found", code="phone_number_not_found", message="x"), errors.NotFound,
     "phone_number_not_found"),
    (404, detail(type="not_found", message="x"), errors.NotFound, "not_found"),
    (404, {"detail": "Agent not found"}, errors.NotFound, ""),
    (404, {"detail": "Not Found"}, errors.NoSuchRoute, ""),
    (404, {"detail": "The requested URL was not found."}, errors.NoSuchRoute, ""),
    (404, b"<html>404 page not found</html>", errors.NoSuchRoute, ""),
    (404, b"", errors.NoSuchRoute, ""),
    (404, b"null", errors.NoSuchRoute, ""),
    (400, detail(type="validation_error", code="invalid_parameters", message="Invalid conversation config: x",
                 param="agent.prompt"), errors.Invalid, "invalid_parameters"),
    (422, {"detail": [{"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": None}]},
     errors.Invalid, "validation_error"),
    (422, detail(status="both_tools_and_tool_ids_provided", message="x"), errors.Invalid,
     "both_tools_and_tool_ids_provided"),
    (409, detail(code="conflict", message="Phone number already exists"), errors.Conflict, "conflict"),
    (429, detail(type="rate_limit_error", code="concurrent_limit_exceeded", status="too_many_concurrent_requests"),
     errors.Limited, "too_many_concurrent_requests"),
    (429, b"", errors.Limited, ""),
    (500, detail(type="internal_error", code="internal_error", message="x"), errors.Unclear, "internal_error"),
    (503, b"<html>", errors.Unavailable, ""),
    (302, b"", errors.Unclear, ""),
    (408, b"", errors.Unclear, ""),
    (410, b"", errors.Unclear, ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "code"), CASES)
def test_every_known_body_has_its_class_and_code(status, body, kind, code):
    error = error_of(status, body)
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)
    refused = status in {400, 401, 402, 403, 404, 422, 429}
    assert error.outcome is (Outcome.REFUSED if refused else Outcome.UNKNOWN)
    assert str(error)[0].isupper()
    assert str(error)[-1] in ".…" + string.ascii_letters
    assert not any(word in str(error) for word in ("Error", "Exception", "Traceback", "{", "<"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("concurrent_limit_exceeded", "too_many_at_once"),
        ("too_many_concurrent_requests", "too_many_at_once"),
        ("rate_limit_exceeded", "slow_down"),
        ("system_busy", "busy"),
        ("something_new", "slow_down"),
    ],
)
def test_the_three_kinds_of_too_much(code, kind):
    error = error_of(429, detail(code=code), **{"retry-after": "3"})
    assert error.kind == kind
    assert error.retry_after == 3


def test_a_missing_permission_is_named():
    message = "The API key you used is missing the permission convai_write to execute this operation."
    error = error_of(401, detail(status="missing_permissions", message=message))
    assert error.permission == "convai_write"
    assert error_of(401, detail(status="invalid_api_key", message="x")).permission == ""


def test_a_404_names_the_object_that_is_missing():
    """A number was assigned to a deleted agent: the number itself still exists."""
    body = detail(status="document_not_found", message="Document with id agent_9 not found.")
    assert error_of(404, body).missing == "agent_9"
    assert error_of(404, detail(status="agent_not_found", message="Agent not found")).missing == ""


def test_the_trace_of_the_header_goes_before_that_of_the_body():
    body = detail(code="x", request_id="from-body")
    assert error_of(500, body, **{"x-trace-id": "from-header"}).trace_id == "from-header"
    assert error_of(500, body).trace_id == "from-body"
    assert error_of(500, detail(request_id="a\nb"), **{"x-trace-id": "<script>"}).trace_id == ""


def test_each_field_of_a_422_is_reported_without_its_input():
    body = {
        "detail": [
            {"type": "missing", "loc": ["body", "token"], "msg": "Field required", "input": {"token": TOKEN}},
            {"type": "x", "loc": ["body", "agents", 3, "name"], "msg": "Too long", "ctx": {"error": PROMPT}},
            {"loc": "odd", "msg": 7},
            "odd",
        ]
    }
    error = error_of(422, body)
    assert error.fields == [("token", "Field required"), ("agents.3.name", "Too long"), ("", "is not valid")]
    assert str(error) == "ElevenLabs refused a value: token: Field required; agents.3.name: Too long; is not valid."


def test_the_old_400_that_repeats_the_whole_prompt_becomes_a_sentence():
    inner = [{"type": "value_error", "loc": [], "msg": "Value error, English Agents must use turbo or flash v2.",
              "input": {"agent": {"prompt": {"prompt": PROMPT}}}}]  # fmt: skip
    error = error_of(400, detail(status="input_invalid", message=json.dumps(inner)))
    assert str(error) == "ElevenLabs refused a value: English Agents must use turbo or flash v2."
    cut_off = json.dumps([{"input": {"prompt": PROMPT}, "msg": "late"}])[:80]
    assert "Usher" not in str(error_of(400, detail(status="input_invalid", message=cut_off)))


def test_what_we_sent_does_not_come_back():
    sent = {"token": TOKEN, "conversation_config": {"agent": {"prompt": {"prompt": PROMPT}}}, "credentials": [
        {"password": "pw-1234"}]}  # fmt: skip
    for message in (f"bad: {PROMPT}", f"bad: {json.dumps(PROMPT)}", f"token {TOKEN}", "user pw-1234", f"x={TOKEN}!"):
        error = error_of(400, detail(status="x", message=message, param=message), sent)
        everything = f"{error} {error.param} {error.fields} {error.args}"
        assert not any(secret in everything for secret in ("Usher", TOKEN, "pw-1234"))


def test_a_remote_text_is_one_short_line_without_tricks():
    assert clean("a\nb\tc\r\n  d") == "a b c d"
    assert clean("x\u202egnp.exe\u2066\u200b\x1b[31m\0\x85\u2028y") == "x gnp.exe [31m y"
    assert clean("\ud800x") == "x"
    assert len(clean("word " * 1000)) <= 200
    assert clean("a sentence.") == "a sentence."
    assert clean("") == ""
    assert clean("{not json") == "a value in the settings"


HOSTILE = [
    b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"null", b"7", b'"x"', b'{"detail": null}', b'{"detail": 7}',
    b'{"detail": []}', b'{"detail": [[]]}', b'{"detail": {}}', b'{"detail": {"message": {"a": 1}, "code": []}}',
    b'{"detail": {"code": "a b\\nc", "message": "\\ud800\\u0000"}}', b'{"detail": [{"loc": [null, {}], "msg": null}]}',
    b'{"detail": {"message": "' + b"x" * 1_000_000 + b'"}}', b'{"detail": ' + b"9" * 10_000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_no_body_breaks_the_reader(status, body):
    text = str(error_of(status, body))
    assert 10 < len(text) <= 300
    assert text.isprintable()
    assert "\n" not in text
