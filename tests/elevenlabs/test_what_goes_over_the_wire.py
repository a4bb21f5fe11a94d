"""An observer of a code block gets each attempt that left this machine, without any value that it contained."""

import json

import pytest
import responses

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, recording, secrets_in_memory

BASE = "http://127.0.0.1:9"
AGENT = f"{BASE}/v1/convai/agents/agent_1"
NUMBERS = f"{BASE}/v1/convai/phone-numbers"
PROMPT = "You are the night desk of a large hotel, and you never sleep."
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture
def client() -> ElevenLabs:
    return ElevenLabs(BASE, "sk_sandbox", patience=10)


@responses.activate
def test_each_attempt_of_a_read_is_reported(client):
    responses.get(AGENT, status=503)
    body = {"agent_id": "agent_1", "name": "A", "conversation_config": {"agent": {"prompt": {"prompt": PROMPT}}}}
    responses.get(AGENT, json=body, headers={"x-trace-id": "t2", "date": "Tue, 24 Nov 2026 10:00:00 GMT"})
    with recording() as outer, recording() as inner:
        client.get_agent("agent_1")
    assert [attempt.status for attempt in inner] == [503, 200]
    assert outer == inner
    last = inner[-1]
    assert (last.method, last.path, last.trace_id) == ("GET", "/v1/convai/agents/agent_1", "t2")
    assert (last.form, last.names, last.body) == ("object", ("agent_id", "name", "conversation_config"), "")
    assert last.date.startswith("Tue, 24 Nov 2026")
    assert PROMPT not in repr(inner)
    client.calls.clear()
    responses.get(AGENT, json=body)
    client.get_agent("agent_1")
    assert len(inner) == 2, "nothing is recorded outside the block"


@pytest.mark.parametrize(
    ("answer", "form"), [("", "nothing"), ("null", "null"), ("[]", "list"), ("{", "not JSON"), ("7", "a value")]
)
@responses.activate
def test_what_a_success_looked_like(answer, form, client):
    responses.delete(f"{NUMBERS}/phnum_1", body=answer)
    with recording() as wire:
        try:
            client.delete_number("phnum_1")
        except ElevenLabsError:
            assert form == "not JSON"
    assert [attempt.form for attempt in wire] == [form]


@responses.activate
def test_an_unsent_attempt_is_not_reported(client):
    with recording() as wire, pytest.raises(ElevenLabsError):
        client.get_agent("../escape")
    assert wire == []


@responses.activate
def test_a_refusal_without_what_it_repeats(client):
    wrong = [{"loc": ["body", "x"], "msg": f"Bad {TOKEN}", "type": "t", "input": PROMPT, "ctx": {"all": PROMPT}}]
    responses.post(NUMBERS, status=422, json={"detail": wrong})
    body = {"provider": "twilio", "phone_number": "+15550100123", "label": PROMPT, "sid": "AC1", "token": TOKEN}
    with recording() as wire, pytest.raises(ElevenLabsError):
        client.import_number(body)
    body = json.loads(wire[0].body)
    assert body == {"detail": [{"loc": ["body", "x"], "msg": "Bad [what was sent]", "type": "t"}]}


@pytest.mark.parametrize(
    "text", ["<html>" + "x" * 9000, json.dumps({"detail": {str(at): "y" * 900 for at in range(99)}})]
)
@responses.activate
def test_a_long_or_senseless_refusal_is_cut(text, client):
    responses.post(NUMBERS, status=500, body=text)
    with secrets_in_memory(TOKEN), recording() as wire, pytest.raises(ElevenLabsError):
        client.import_number({"token": TOKEN})
    assert 0 < len(wire[0].body) <= 1000


@responses.activate
def test_depth_has_an_end(client):
    deep: object = "end"
    for _ in range(50):
        deep = {"in": deep}
    responses.post(NUMBERS, status=400, json={"detail": deep})
    with recording() as wire, pytest.raises(ElevenLabsError):
        client.import_number({"token": TOKEN})
    assert wire[0].body.count("in") < 10
