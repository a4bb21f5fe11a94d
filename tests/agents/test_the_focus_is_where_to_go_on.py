import re

import pytest

from tests.agents.conftest import mirrored, opened, url_of

pytestmark = pytest.mark.django_db

FOCUSED = re.compile(r"<(?:input|select|textarea|div)\b[^>]*\bautofocus\b[^>]*>")


def focused(response) -> list[str]:
    """The name of the focused field; "alert" for the list of errors on top."""
    tags = FOCUSED.findall(response.content.decode())
    return [re.search(r'name="(\w+)"|role="(alert)"', tag).expand(r"\1\2") for tag in tags]


def test_a_new_agent_begins_with_its_name(remote, operator):
    assert focused(operator.get(url_of("add"))) == ["name"]


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ({"name": "", "speed": "9"}, "name"),
        ({"name": "A", "speed": "9", "daily_limit": "x"}, "speed"),
        ({"name": "A", "patch": "{", "temperature": "9"}, "temperature"),
        ({"name": "A", "patch": "{"}, "patch"),
        ({"name": "A", "voice_id": "not an id", "speed": "9"}, "voice_search"),
        ({"name": "A", "other_voice_id": "not an id"}, "other_voice_id"),
        ({"name": "A", "language": "de", "model_id": "eleven_flash_v2", "voice_id": "not an id"}, "model_id"),
        ({"name": "A", "key": "no key"}, "alert"),
    ],
)
def test_what_was_refused_goes_on_at_the_first_error(remote, operator, typed, where):
    for url in (url_of("add"), url_of("change", mirrored(remote))):
        response = operator.post(url, opened(operator, url) | typed)
        assert response.status_code == 422
        assert focused(response) == [where]


def test_what_the_remote_refused_goes_on_there_too(remote, save):
    agent = mirrored(remote)
    assert focused(save(agent, other_voice_id="NoSuchVoice")) in (["other_voice_id"], ["voice_search"])
    remote.fault("PATCH", "/v1/convai/agents/*", "status", status=402)
    assert focused(save(agent, name="Night Desk")) == ["alert"]


def test_an_open_agent_takes_no_focus(remote, operator):
    assert focused(operator.get(url_of("change", mirrored(remote)))) == []


def test_the_form_of_a_dialog_shares_no_id_with_the_page_below(remote, operator):
    agent = mirrored(remote)
    ids = re.compile(r'\bid="([\w-]+)"')
    below = set(ids.findall(operator.get(url_of("change", agent)).content.decode()))
    for action in ("duplicate", "archive"):
        above = ids.findall(operator.get(url_of(action, agent), headers={"HX-Request": "true"}).content.decode())
        assert above
        assert below.isdisjoint(above)
