"""Every hostile answer once at the two places that all answers pass: where they are parsed, and where it is decided
whether the database can store them. test_hostile_answers_to_writes.py tests how a write handles them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from django.db.models import CharField, Model

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.elevenlabs import BadShape, ElevenLabs, Outcome, unstorable
from controlplane.sandbox.merge import merged
from numbers import mirror as number_mirror
from numbers.models import PhoneNumber
from tests.operations.hostile_texts import ANOTHER_ID, BODIES, UNSTORABLE, WRONG_SHAPE, texts_of

BASE = "https://api.elevenlabs.io"
GOOD: dict[str, dict[str, Any]] = {
    "agent": {
        "agent_id": "agent_1",
        "name": "Support Bot",
        "conversation_config": {"agent": {"prompt": {"prompt": "You help."}}, "tts": {"voice_id": "v"}},
        "platform_settings": {"archived": False},
        "metadata": {"created_at_unix_secs": 1, "updated_at_unix_secs": 2},
        "tags": [],
    },
    "number": {
        "phone_number_id": "phnum_1",
        "phone_number": "+15550100123",
        "label": "Main",
        "provider": "twilio",
        "assigned_agent": {"agent_id": "agent_1", "agent_name": "Support Bot"},
        "supports_inbound": True,
    },
}
CASES = [(what, name, of, text) for what in GOOD for name, (of, text) in texts_of(what).items()]


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def labs() -> ElevenLabs:
    return ElevenLabs(BASE, "sk_" + "0123456789abcdef" * 3)


@pytest.mark.parametrize(("what", "name", "of", "text"), CASES, ids=[f"{what} {name}" for what, name, *_ in CASES])
def test_each_text_is_of_its_class(what, name, of, text, wire, labs):
    shown = json.dumps(merged(GOOD[what], json.loads(text)))
    wire.get(f"{BASE}/v1/convai/agents/agent_1", body=shown)
    wire.get(f"{BASE}/v1/convai/phone-numbers/phnum_1", body=shown)

    def read() -> Any:
        return labs.get_agent("agent_1") if what == "agent" else labs.get_number("phnum_1")

    if of in (WRONG_SHAPE, ANOTHER_ID):
        with pytest.raises(BadShape) as caught:
            read()
        assert caught.value.outcome is Outcome.UNKNOWN
        assert ("not about the requested one" in str(caught.value)) == (of == ANOTHER_ID)
        return
    remote = read()
    assert bool(unstorable(remote.raw)) == (of == UNSTORABLE)
    if name == "agent id too long":  # a truncated id would be a different one
        with pytest.raises(BadShape, match="the id of its agent is longer"):
            number_mirror.row_values(PhoneNumber(), remote, agent=None, listed=True)
    elif of != UNSTORABLE:
        fits_its_columns(what, remote)


def fits_its_columns(what: str, remote: Any) -> None:
    """Checked here because SQLite does not enforce the length of a column."""
    model: type[Model] = Agent if what == "agent" else PhoneNumber
    values = (
        agent_mirror.row_values(remote)
        if what == "agent"
        else number_mirror.row_values(PhoneNumber(), remote, agent=None, listed=True)
    )
    columns = {column.name: column for column in model._meta.get_fields() if isinstance(column, CharField)}
    assert columns.keys() & values.keys()
    for column in columns.keys() & values.keys():
        assert len(values[column]) <= columns[column].max_length, column


@pytest.mark.parametrize("body", BODIES)
def test_no_method_accepts_such_a_body_as_an_answer(body, wire, labs):
    for method in ("GET", "POST", "PATCH"):
        for path in ("agents/agent_1", "agents/create", "agents/agent_1/duplicate", "phone-numbers"):
            wire.add(method, f"{BASE}/v1/convai/{path}", body=BODIES[body])
        wire.add(method, f"{BASE}/v1/convai/phone-numbers/phnum_1", body=BODIES[body])
    wire.get(f"{BASE}/v1/convai/agents", body=BODIES[body])
    wire.get(f"{BASE}/v1/convai/v2/phone-numbers", body=BODIES[body])
    for call in (
        lambda: labs.create_agent({"name": "A", "conversation_config": {}}),
        lambda: labs.duplicate_agent("agent_1", name="B"),
        lambda: labs.update_agent("agent_1", {"name": "B"}),
        lambda: labs.import_number({"phone_number": "+15550100123", "token": "t" * 32}),
        lambda: labs.update_number("phnum_1", {"agent_id": None}),
        lambda: labs.get_agent("agent_1"),
        lambda: labs.get_number("phnum_1"),
        labs.list_agents,
        labs.list_numbers,
    ):
        with pytest.raises(BadShape) as caught:
            call()
        assert caught.value.outcome is Outcome.UNKNOWN
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", BODIES)
def test_a_deletion_accepts_any_json_but_no_html_page(body, wire, labs):
    """Its answer holds no data that is used, so any JSON is accepted."""
    wire.delete(f"{BASE}/v1/convai/agents/agent_1", body=BODIES[body])
    if body == "no JSON":
        with pytest.raises(BadShape):
            labs.delete_agent("agent_1")
    else:
        labs.delete_agent("agent_1")
