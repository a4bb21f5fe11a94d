import pytest

from agents.models import Agent
from controlplane.operations.models import Operation, State
from tests.agents.conftest import at_remote, mirrored, opened, url_of

pytestmark = pytest.mark.django_db


def creations(remote):
    return remote.calls(method="POST", path="/v1/convai/agents/create")


def test_a_name_is_enough_and_what_was_shown_is_what_it_gets(remote, operator):
    url = url_of("add")
    response = operator.post(url, opened(operator, url) | {"name": "Support Bot", "tags": "vip, en"})
    agent = Agent.objects.get()
    assert response.url == url_of("change", agent)
    now = at_remote(remote, agent)
    assert (now["name"], now["tags"]) == ("Support Bot", ["vip", "en"])
    assert now["conversation_config"]["tts"]["model_id"] == "eleven_flash_v2"
    assert "Created the agent Support Bot." in operator.get(response.url).content.decode()


def test_settings_without_a_field_go_along(remote, operator):
    url = url_of("add")
    patch = '{"conversation_config": {"turn": {"turn_timeout": 9}}}'
    operator.post(url, opened(operator, url) | {"name": "Support Bot", "patch": patch})
    assert at_remote(remote, Agent.objects.get())["conversation_config"]["turn"]["turn_timeout"] == 9


def test_without_a_name_nothing_is_sent_and_everything_typed_stays(remote, operator):
    url = url_of("add")
    response = operator.post(url, opened(operator, url) | {"system_prompt": "You help.", "speed": "1.1"})
    assert response.status_code == 422
    assert response.context["form"].errors == {"name": ["Name cannot be empty."]}
    page = response.content.decode()
    assert "You help." in page
    assert 'value="1.1"' in page
    assert creations(remote) == []


def test_a_double_click_makes_one_agent(remote, operator):
    url = url_of("add")
    body = opened(operator, url) | {"name": "Support Bot"}
    first, second = operator.post(url, body), operator.post(url, body)
    assert first.url == second.url
    assert len(creations(remote)) == 1


def test_an_answer_that_never_came_leads_to_the_operation(remote, operator):
    remote.fault("POST", "/v1/convai/agents/create", "status", status=502, when="after")
    url = url_of("add")
    response = operator.post(url, opened(operator, url) | {"name": "Support Bot"})
    op = Operation.objects.get()
    assert op.state == State.SENT
    assert response.url == f"/admin/operations/operation/{op.pk}/change/"


def test_nothing_is_sent_where_elevenlabs_cannot_be_read_first(remote, operator):
    url = url_of("add")
    body = opened(operator, url) | {"name": "Support Bot"}
    remote.fault("GET", "/v1/convai/agents*", "status", status=403)
    response = operator.post(url, body)
    assert response.status_code == 422
    assert "Not sent" in response.content.decode()
    assert creations(remote) == []


@pytest.mark.parametrize(
    ("language", "model", "fits"),
    [
        ("en", "eleven_flash_v2", True),
        ("en", "eleven_multilingual_v2", True),
        ("en", "eleven_v4_turbo", True),
        ("en", "eleven_flash_v2_5", False),
        ("en", "eleven_turbo_v2_5", False),
        ("fr", "eleven_flash_v2_5", True),
        ("fr", "eleven_flash_v2", False),
        ("pt-br", "eleven_multilingual_v2", False),
    ],
)
def test_the_voice_model_has_to_suit_the_language(remote, operator, language, model, fits):
    url = url_of("add")
    body = opened(operator, url) | {"name": "Support Bot", "language": language, "model_id": model}
    response = operator.post(url, body)
    if fits:
        assert response.status_code == 302
        return
    assert response.status_code == 422
    error = response.context["form"].errors["model_id"][0]
    assert "These suit it: Flash v2" in error
    assert creations(remote) == []


def test_a_pair_that_is_stored_already_does_not_stop_other_changes(remote, save):
    """ElevenLabs may allow more combinations later, so only changed fields are checked."""
    agent = mirrored(remote)
    agent.remote_data["conversation_config"]["agent"]["language"] = "fr"
    agent.save()
    response = save(agent, name="Other")
    assert "model_id" not in (response.context["form"].errors if response.status_code == 422 else {})


def test_an_unknown_llm_stays_selectable_and_is_kept(remote, operator, save):
    agent = mirrored(remote)
    agent.remote_data["conversation_config"]["agent"]["prompt"]["llm"] = "gpt-99-unheard-of"
    agent.save()
    page = operator.get(url_of("change", agent)).content.decode()
    assert '<option value="gpt-99-unheard-of" selected>gpt-99-unheard-of (not in the list)</option>' in page
    assert "gpt-4-turbo (deprecated, use gpt-4.1)" in page
    save(agent, daily_limit="7")
    assert list(Operation.objects.get().params["set"]) == ["platform_settings.call_limits.daily_limit"]


def test_without_the_list_of_llms_the_stored_one_stays(remote, operator):
    agent = mirrored(remote, agent={"prompt": {"llm": "gpt-4o"}})
    remote.fault("GET", "/v1/convai/llm/list", "status", status=401, times=9)
    page = operator.get(url_of("change", agent)).content.decode()
    assert "The list of LLMs could not be read from ElevenLabs" in page
    assert '<option value="gpt-4o" selected>' in page
