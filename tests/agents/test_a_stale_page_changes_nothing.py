import json

import pytest

from controlplane.operations.models import Operation, State
from tests.agents.conftest import at_remote, mirrored, opened, patches, stored, url_of

pytestmark = pytest.mark.django_db


def outside(remote, agent, **patch):
    """Change the agent in the ElevenLabs console, without a sync afterwards."""
    assert remote.call("PATCH", f"/v1/convai/agents/{agent.remote_id}", json=patch).ok


def test_a_field_changed_outside_is_refused_and_shown_as_it_is_now(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url) | {"name": "Mine"}
    outside(remote, agent, name="Theirs")
    before = len(patches(remote))
    response = operator.post(url, body)
    assert response.status_code == 422
    assert response.context["form"].errors["name"] == ["Now it is: Theirs"]
    assert "changed meanwhile, outside this page: name" in response.content.decode()
    assert len(patches(remote)) == before
    assert Operation.objects.get().state == State.NOT_SENT

    form = response.context["form"]
    again = {field.html_name: field.value() or "" for field in form}
    assert again["name"] == "Mine"
    assert operator.post(url, again).status_code == 302  # after it was shown, the new value may be overwritten
    assert at_remote(remote, agent)["name"] == "Mine"


def test_saving_again_does_not_take_back_what_changed_in_other_fields(remote, operator):
    agent = mirrored(remote, agent={"first_message": "Hello"})
    url = url_of("change", agent)
    body = opened(operator, url) | {"name": "Mine"}
    outside(remote, agent, name="Theirs", conversation_config={"agent": {"first_message": "Good evening"}})
    form = operator.post(url, body).context["form"]
    assert form["first_message"].value() == "Good evening"
    assert operator.post(url, {field.html_name: field.value() or "" for field in form}).status_code == 302
    now = at_remote(remote, agent)
    assert (now["name"], now["conversation_config"]["agent"]["first_message"]) == ("Mine", "Good evening")


def test_a_change_of_other_fields_does_not_stop_a_write(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url) | {"name": "Mine"}
    outside(remote, agent, conversation_config={"agent": {"first_message": "Good evening"}})
    assert operator.post(url, body).status_code == 302
    assert at_remote(remote, agent)["conversation_config"]["agent"]["first_message"] == "Good evening"


def test_a_json_patch_based_on_an_older_state_is_refused(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url) | {"patch": '{"conversation_config": {"turn": {"turn_timeout": 9}}}'}
    outside(remote, agent, conversation_config={"turn": {"turn_timeout": 12}})
    stored(agent.remote_id)  # a sync has stored the change
    before = len(patches(remote))
    response = operator.post(url, body)
    assert response.status_code == 422
    assert "changed meanwhile" in response.context["form"].errors["patch"][0]
    assert len(patches(remote)) == before
    form = response.context["form"]
    assert operator.post(url, {field.html_name: field.value() or "" for field in form}).status_code == 302


def test_an_agent_deleted_outside_is_reported(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url) | {"name": "Mine"}
    remote.call("DELETE", f"/v1/convai/agents/{agent.remote_id}")
    response = operator.post(url, body)
    assert response.status_code == 422
    assert "does not exist any more" in response.content.decode()


DAMAGED = ["", "{}", "[]", "null", "{", '{"name": 1}', "[" * 100_000, "9" * 5000]
HOSTILE = ["NaN", "Infinity", '"a\\u0000b"', '"\\ud800"', "9" * 30, "[" * 200 + "]" * 200, "[" * 900 + "]" * 900]


def test_a_page_that_came_back_damaged_sends_nothing(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url)
    whole = json.dumps(json.loads(body["shown"]) | {"name": "?"})
    for shown in [*DAMAGED, *(whole.replace('"?"', value) for value in HOSTILE)]:
        response = operator.post(url, body | {"name": "Mine", "shown": shown})
        assert response.status_code == 422, shown[:100]
        assert "incomplete" in response.content.decode(), shown[:100]
    assert not Operation.objects.exists()


def test_a_gone_agent_is_read_only(remote, operator):
    agent = mirrored(remote)
    url = url_of("change", agent)
    body = opened(operator, url) | {"name": "Mine"}
    agent.gone_at = agent.first_seen
    agent.save()
    page = operator.get(url)
    assert "form" not in page.context
    assert "Gone at ElevenLabs since" in page.content.decode()
    assert operator.post(url, body).status_code == 302
    assert not Operation.objects.exists()


def test_an_agent_known_by_name_only_offers_a_sync(remote, operator):
    agent = mirrored(remote)
    agent.remote_data = {}
    agent.save()
    page = operator.get(url_of("change", agent)).content.decode()
    assert "Only the name of this agent is known" in page
    assert "Sync now" in page
