import json

import pytest
from django.core.exceptions import ValidationError

from agents import settings_json
from agents.settings_json import parse
from controlplane.operations.models import Operation
from tests.agents.conftest import at_remote, mirrored

TTS = "conversation_config.tts"


def test_a_patch_becomes_paths():
    config = '{"turn": {"turn_timeout": 9}, "asr": {"keywords": ["a"]}}'
    text = f'{{"conversation_config": {config}, "workflow": {{"edges": {{"e": null}}}}}}'
    assert parse(text) == {
        "conversation_config.turn.turn_timeout": 9,
        "conversation_config.asr.keywords": ["a"],
        "workflow.edges.e": None,
    }
    assert parse("{}") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a list"),
        ('"x"', "not a text"),
        ("null", "not null"),
        ("1", "not a number"),
        ("true", "not true or false"),
        ('{"x": 1}', "not a part of an agent"),
        ('{"agent_id": "x"}', "not a part of an agent"),
        ('{"name": "x"}', "field of its own"),
        ('{"tags": []}', "field of its own"),
        ('{"conversation_config": {"tts": {"voice_id": "x"}}}', "field of its own"),
        ('{"conversation_config": {"agent": {"prompt": {"llm": "x"}}}}', "field of its own"),
        ('{"conversation_config": null}', "field of its own"),
        ('{"conversation_config": {"agent": {"prompt": []}}}', "field of its own"),
        ('{"conversation_config": {"tts": {"voice_id": {"deep": 1}}}}', "field of its own"),
        ('{"platform_settings": {"archived": true}}', "Archive and Restore"),
        ('{"conversation_config": {"turn": {}}}', "empty object"),
        ('{"workflow": {"a": 1, "a": 2}}', "Duplicate key"),
        ('{"workflow": {"\\ud800": 1, "\\ud800": 2}}', "Duplicate key"),
        ('{"workflow": NaN}', "NaN"),
        ('{"workflow": -Infinity}', "Infinity"),
        ('{"workflow": 1e999}', "infinite"),
        ('{"workflow": 99999999999999999999}', "64 bits"),
        ('{"workflow": ' + "9" * 5000 + "}", "too long"),
        ('{"workflow": "\\u0000"}', "NUL"),
        ('{"workflow": "\\ud800"}', "surrogate"),
        ('{"workflow": ' + "[" * 200 + "]" * 200 + "}", "nested"),
        ("[" * 100_000, "nested"),
        ('{"conversation_config": {"agent": {"prompt": {"tools": [], "tool_ids": []}}}}', "“tools” and “tool_ids”"),
        ('{"workflow": {"nodes": [{"prompt": {"tools": null, "tool_ids": ["x"]}}]}}', "“tools” and “tool_ids”"),
    ],
)
def test_an_error_is_reported(text, words):
    with pytest.raises(ValidationError) as error:
        parse(text)
    messages = " ".join(error.value.messages)
    assert words in messages
    assert messages.encode()  # it can be shown on a page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"workflow": "x" * 200_000}), "200,000 are taken at once"),
        (json.dumps({"workflow": {str(key): 1 for key in range(2001)}}), "sets 2,001 values, and 2,000 are taken"),
        (json.dumps({f"part{key}": 1 for key in range(1000)}), "… and 980 more."),
    ],
)
def test_an_absurd_patch_is_refused_with_a_short_message(text, words):
    with pytest.raises(ValidationError) as error:
        parse(text)
    assert words in error.value.messages[-1]
    assert len(error.value.messages) <= 21


def test_thousands_of_keys_are_refused_without_a_look_at_each(monkeypatch):
    monkeypatch.setattr(settings_json, "_field_in", lambda _: pytest.fail("each was held against each field"))
    with pytest.raises(ValidationError, match="This sets 17,000 values"):
        parse("{" + ",".join(f'"{key}":1' for key in range(17_000)) + "}")


def test_all_errors_are_reported_at_once():
    with pytest.raises(ValidationError) as error:
        parse('{"x": 1, "name": "y", "platform_settings": {"archived": true}}')
    assert len(error.value.messages) == 3


@pytest.mark.django_db
def test_only_what_differs_is_sent_and_null_clears(remote, save):
    agent = mirrored(remote, turn={"turn_timeout": 9, "initial_wait_time": 3})
    typed = '{"conversation_config": {"turn": {"turn_timeout": 9, "initial_wait_time": null}}}'
    assert save(agent, patch=typed).status_code == 302
    assert Operation.objects.get().params == {
        "set": {"conversation_config.turn.initial_wait_time": None},
        "shown": {"conversation_config.turn.initial_wait_time": 3.0},
    }
    assert at_remote(remote, agent)["conversation_config"]["turn"]["initial_wait_time"] is None


@pytest.mark.django_db
def test_a_wrong_patch_keeps_the_form_and_sends_nothing(remote, save):
    agent = mirrored(remote)
    response = save(agent, name="Night Desk", patch='{"name": "x"}')
    assert response.status_code == 422
    page = response.content.decode()
    assert "Night Desk" in page
    assert "&quot;name&quot;: &quot;x&quot;" in page
    assert not Operation.objects.exists()
