import json

import pytest

from agents.models import Agent
from controlplane.mirror.json_paths import get
from controlplane.operations.models import Operation, State
from tests.agents.conftest import at_remote, mirrored, opened, patches, stored, texts, url_of

pytestmark = pytest.mark.django_db

PROMPT = "You help.\nAlways politely.\r\n  Never rudely.\n"
CONFIG = {
    "agent": {"first_message": "Hello", "language": "en", "prompt": {"prompt": PROMPT, "llm": "gpt-4o-mini"}},
    "tts": {"stability": 0.4},
}


def wanted() -> dict:
    return Operation.objects.get(kind="agent.update").params


def test_one_changed_field_is_the_whole_patch(remote, operator, save):
    agent = mirrored(remote, **CONFIG)
    before = at_remote(remote, agent)
    response = save(agent, name="Night Desk")
    assert response.status_code == 302
    assert response.url == url_of("change", agent)
    assert wanted() == {"set": {"name": "Night Desk"}, "shown": {"name": "Support Bot"}}
    after = at_remote(remote, agent)
    assert after["name"] == "Night Desk"
    assert after["conversation_config"] == before["conversation_config"]
    assert Agent.objects.get().name == "Night Desk"
    assert "Saved Support Bot" in texts(operator.get(response.url))[0]


FIELDS = [
    ("tags", " vip , night desk,,vip", "tags", ["vip", "night desk"]),
    ("first_message", "", "conversation_config.agent.first_message", ""),
    ("system_prompt", "One\r\nTwo\r\n", "conversation_config.agent.prompt.prompt", "One\nTwo\n"),
    ("llm", "gpt-4o", "conversation_config.agent.prompt.llm", "gpt-4o"),
    ("temperature", "0.7", "conversation_config.agent.prompt.temperature", 0.7),
    ("temperature", "", "conversation_config.agent.prompt.temperature", None),
    ("model_id", "eleven_multilingual_v2", "conversation_config.tts.model_id", "eleven_multilingual_v2"),
    ("stability", "1", "conversation_config.tts.stability", 1.0),
    ("similarity_boost", "0", "conversation_config.tts.similarity_boost", 0.0),
    ("speed", "0.7", "conversation_config.tts.speed", 0.7),
    ("max_duration_seconds", "30", "conversation_config.conversation.max_duration_seconds", 30),
    ("agent_concurrency_limit", "3", "platform_settings.call_limits.agent_concurrency_limit", 3),
    ("daily_limit", "0", "platform_settings.call_limits.daily_limit", 0),
    ("voice_id", "21m00Tcm4TlvDq8ikWAM", "conversation_config.tts.voice_id", "21m00Tcm4TlvDq8ikWAM"),
    ("other_voice_id", "EXAVITQu4vr4xnSDxMaL", "conversation_config.tts.voice_id", "EXAVITQu4vr4xnSDxMaL"),
]


@pytest.mark.parametrize("half", [0, 1])
def test_every_field_reaches_its_place(half, remote, save):
    """Change one field after the other on one agent: each save sends only its own field."""
    agent = mirrored(remote, **CONFIG)
    for field, typed, path, value in FIELDS[half::2]:
        assert save(agent, **{field: typed}).status_code == 302
        op = Operation.objects.latest("pk")
        assert (op.params["set"], op.state) == ({path: value}, State.DONE), field
        assert get(at_remote(remote, agent), path) == value, field
        agent.refresh_from_db()


def test_nothing_changed_sends_nothing(remote, operator, save):
    agent = mirrored(remote, **CONFIG)
    response = save(agent)
    assert texts(operator.get(response.url)) == ["Nothing was sent: nothing was changed."]
    assert patches(remote) == []
    assert not Operation.objects.exists()


def test_what_the_form_cannot_show_exactly_is_not_changed_by_opening_it(remote, save):
    agent = mirrored(remote, "  Two\nlines  ", **CONFIG)
    remote.call("PATCH", f"/v1/convai/agents/{agent.remote_id}", json={"tags": ["a,b", " c "]})
    agent = stored(agent.remote_id)
    save(agent)
    assert not Operation.objects.exists()
    save(agent, daily_limit="5")
    assert list(wanted()["set"]) == ["platform_settings.call_limits.daily_limit"]


def test_a_double_click_is_one_write_and_shows_the_first_result(remote, operator):
    agent = mirrored(remote, **CONFIG)
    url = url_of("change", agent)
    body = opened(operator, url) | {
        "name": "Night Desk",
        "patch": '{"conversation_config": {"turn": {"turn_timeout": 9}}}',
    }
    first, second = operator.post(url, body), operator.post(url, body)
    assert (first.status_code, second.status_code) == (302, 302)
    assert len(patches(remote)) == 1
    assert Operation.objects.count() == 1
    assert len(texts(operator.get(url))) == 2


def test_the_same_key_with_other_values_is_refused(remote, operator):
    agent = mirrored(remote, **CONFIG)
    url = url_of("change", agent)
    body = opened(operator, url)
    operator.post(url, body | {"name": "First"})
    response = operator.post(url, body | {"name": "Second"})
    assert response.status_code == 422
    assert "already sent with other values" in response.content.decode()
    assert at_remote(remote, agent)["name"] == "First"


def test_what_elevenlabs_does_not_know_is_named(remote, operator, save):
    agent = mirrored(remote, **CONFIG)
    typed = {"conversation_config": {"agent": {"no_such_setting": True}, "turn": {"turn_timeout": 11}}}
    response = save(agent, patch=json.dumps(typed))
    assert response.status_code == 302
    path = "conversation_config.agent.no_such_setting"
    text = texts(operator.get(response.url))[0]
    assert "turn timeout. ElevenLabs does not know" in text
    assert f"does not know “{path}”; it was not stored." in text


def test_an_answer_that_never_came_leads_to_the_operation(remote, operator, save):
    agent = mirrored(remote, **CONFIG)
    remote.fault("PATCH", "/v1/convai/agents/*", "status", status=500, when="after")
    response = save(agent, name="Night Desk")
    op = Operation.objects.get()
    assert op.state == State.SENT
    assert response.url == f"/admin/operations/operation/{op.pk}/change/"
    page = operator.get(url_of("change", agent)).content.decode()
    assert "nothing else can be changed here" in page
    again = save(agent, name="Other")
    assert again.status_code == 422
    assert Operation.objects.count() == 1


def test_a_refusal_is_shown_at_its_field_and_keeps_what_was_typed(remote, save):
    agent = mirrored(remote, **CONFIG)
    response = save(agent, other_voice_id="NoSuchVoice", system_prompt="Kept text")
    assert response.status_code == 422
    form = response.context["form"]
    assert "ElevenLabs refused" in form.errors["voice_id"][0]
    page = response.content.decode()
    assert 'role="alert"' in page
    assert "Kept text" in page
    assert "NoSuchVoice" in page
    assert Agent.objects.get().voice_id != "NoSuchVoice"


OUTSIDE = [
    ("name", " ", "cannot be empty"),
    ("name", "x" * 301, "at most 300"),
    ("temperature", "2.1", "between 0 and 2"),
    ("temperature", "nan", "number"),
    ("stability", "1.1", "between 0 and 1"),
    ("stability", "", "cannot be empty"),
    ("similarity_boost", "-0.1", "between 0 and 1"),
    ("speed", "0.6", "between 0.7 and 1.2"),
    ("speed", "1.3", "between 0.7 and 1.2"),
    ("max_duration_seconds", "0", "between 1 and 86,400"),
    ("agent_concurrency_limit", "-2", "between -1 and 1,000,000"),
    ("daily_limit", "-1", "between 0 and 1,000,000"),
    ("daily_limit", "1.5", "whole number"),
    ("other_voice_id", "../agents", "not the id of a voice"),
]
ABSURD = ["9" * 30, "9" * 5000, "-2", str(2**63)]


def test_values_outside_the_contract_are_reported_at_their_field(remote, operator):
    url = url_of("change", mirrored(remote, **CONFIG))
    body = opened(operator, url)
    for field, typed, words in OUTSIDE:
        response = operator.post(url, body | {field: typed})
        assert response.status_code == 422, (field, typed)
        assert words in response.context["form"].errors[field][0]
    assert patches(remote) == []
    assert not Operation.objects.exists()


def test_an_absurd_number_is_not_sent(remote, save):
    """All fields in one request, because the answer names each field with an error."""
    agent = mirrored(remote, **CONFIG)
    for typed in ABSURD:
        fields = ["max_duration_seconds", "agent_concurrency_limit", "daily_limit"]
        response = save(agent, **dict.fromkeys(fields, typed))
        assert response.status_code == 422, typed
        assert sorted(response.context["form"].errors) == sorted(fields), typed
    assert patches(remote) == []


def test_limits_are_shown_as_whole_numbers(remote, save):
    response = save(mirrored(remote, **CONFIG), max_duration_seconds="86401", daily_limit="1000001")
    assert response.context["form"].errors == {
        "max_duration_seconds": ["Longest call, in seconds has to be between 1 and 86,400."],
        "daily_limit": ["Calls per day has to be between 0 and 1,000,000."],
    }


def test_an_agent_beyond_these_limits_can_still_be_changed_elsewhere(remote, save):
    agent = mirrored(remote, conversation={"max_duration_seconds": 100_000})
    assert save(agent, name="Night Desk").status_code == 302
    assert wanted()["set"] == {"name": "Night Desk"}
