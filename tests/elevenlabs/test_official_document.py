"""Every request that the client can make, checked against ElevenLabs' own description of its API."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from jsonschema import Draft202012Validator

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError

from .conftest import KEY

DOCUMENT = Path(__file__).resolve().parents[3] / "shared" / "elevenlabs-openapi.json"
BASE = "https://api.elevenlabs.io"
CONFIG = {"agent": {"prompt": {"prompt": "Help.", "llm": "gemini-2.5-flash"}, "language": "en"}}
TWILIO = {
    "provider": "twilio", "phone_number": "+15550001111", "label": "L", "sid": "AC1", "token": "t-123", "agent_id": "a",
    "enable_sms": False,
}  # fmt: skip

CALLS = {
    "list agents": lambda c: c.list_agents(archived=True, cursor="c", page_size=100, search="s"),
    "list agents plainly": lambda c: c.list_agents(),
    "summaries": lambda c: c.agent_summaries(["a", "b"]),
    "get agent": lambda c: c.get_agent("a"),
    "create agent": lambda c: c.create_agent({"name": "A", "conversation_config": CONFIG, "tags": ["x"]}),
    "update agent": lambda c: c.update_agent("a", {"name": "A", "conversation_config": CONFIG}),
    "archive agent": lambda c: c.update_agent("a", {"platform_settings": {"archived": True}}),
    "duplicate agent": lambda c: c.duplicate_agent("a", name="B"),
    "delete agent": lambda c: c.delete_agent("a"),
    "list numbers": lambda c: c.list_numbers(cursor="c", page_size=100, phone_number="+1", agent_id="a", search="s"),
    "get number": lambda c: c.get_number("p"),
    "import number": lambda c: c.import_number(TWILIO),
    "assign number": lambda c: c.update_number("p", {"agent_id": "a"}),
    "unassign number": lambda c: c.update_number("p", {"agent_id": None}),
    "label number": lambda c: c.update_number("p", {"label": "L"}),
    "delete number": lambda c: c.delete_number("p"),
    "list voices": lambda c: c.list_voices(search="s", page_token="t", page_size=30),
    "list models": lambda c: c.list_llms(),
    "user": lambda c: c.get_user(),
}
# The available document is an extract: this route is described at https://elevenlabs.io/docs/api-reference/voices/get
ELSEWHERE = {"GET /v1/voices/{voice_id}"}


@pytest.fixture(scope="module")
def document():
    if not DOCUMENT.exists():
        pytest.skip("ElevenLabs' API document is not at hand")
    return json.loads(DOCUMENT.read_text())


def operation(document, method, path):
    for template, operations in document["paths"].items():
        form = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(template))
        fixed = "{" not in template
        if re.fullmatch(form, path) and method in operations and (fixed or path not in document["paths"]):
            return operations[method]
    raise AssertionError(f"{method} {path} is not in the document")


ONLY_IN_THE_SDK = {"include_procedure_generated_workflow_elements"}  # 2.78.0, newer than the document


@pytest.mark.parametrize("name", CALLS)
def test_every_request_is_one_that_the_document_knows(name, document):
    with responses.RequestsMock() as remote:
        for method in ("GET", "POST", "PATCH", "DELETE"):
            remote.add(method, re.compile(f"{BASE}/.*"), json={"detail": {"code": "x"}}, status=400)
        remote.assert_all_requests_are_fired = False
        with pytest.raises(ElevenLabsError):
            CALLS[name](ElevenLabs(BASE, KEY))
        (call,) = remote.calls
    method, url = call.request.method.lower(), urlsplit(call.request.url)
    wanted = operation(document, method, url.path)
    parameters = {p["name"]: p for p in wanted.get("parameters", []) if p["in"] == "query"}
    for query, values in parse_qs(url.query).items():
        if query in ONLY_IN_THE_SDK:
            continue
        assert query in parameters, query
        schema = {**parameters[query].get("schema", {}), "components": document["components"]}
        typed = values if schema.get("type") == "array" else json.loads(_as_json(values[0], schema))
        Draft202012Validator(schema).validate(typed)
    assert {name for name, p in parameters.items() if p.get("required")} <= set(parse_qs(url.query))
    body = wanted.get("requestBody")
    if call.request.body is None:
        assert not (body or {}).get("required")
    else:
        schema = body["content"]["application/json"]["schema"]
        value = json.loads(call.request.body)
        Draft202012Validator({**schema, "components": document["components"]}).validate(value)
        assert set(value) <= set(_known(schema, document)), "a name that the remote would silently drop"


def test_the_older_list_of_numbers_is_known_too(document):
    names = {p["name"] for p in operation(document, "get", "/v1/convai/phone-numbers")["parameters"]}
    assert "agent_id" in names


def _as_json(text, schema):
    kinds = [schema.get("type")] + [option.get("type") for option in schema.get("anyOf", [])]
    return text if {"integer", "boolean"} & set(kinds) else json.dumps(text)


def _known(schema, document):
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    names = set(schema.get("properties", {}))
    for option in schema.get("anyOf", []):
        names |= _known(option, document)
    return names
