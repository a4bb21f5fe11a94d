import pytest

from agents.models import Agent
from controlplane.operations.models import Operation
from tests.agents.conftest import at_remote, mirrored, opened, texts, url_of

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def test_duplicate_makes_an_agent_of_the_new_name_and_goes_there(remote, operator):
    agent = mirrored(remote, agent={"first_message": "Hello"})
    url = url_of("duplicate", agent)
    body = opened(operator, url)
    assert body["name"] == "Copy of Support Bot"
    response = operator.post(url, body)
    copy = Agent.objects.exclude(pk=agent.pk).get()
    assert response.url == url_of("change", copy)
    assert copy.name == "Copy of Support Bot"
    assert at_remote(remote, copy)["conversation_config"]["agent"]["first_message"] == "Hello"


def test_in_a_dialog_it_is_the_same_form_and_the_page_is_left_by_htmx(remote, operator):
    agent = mirrored(remote)
    url = url_of("duplicate", agent)
    response = operator.get(url, headers=HTMX)
    page = response.content.decode()
    assert "<html" not in page
    assert "Duplicate Support Bot" in page
    assert agent.id_suffix in page
    body = {field.html_name: field.value() for field in response.context["form"]}
    empty = operator.post(url, body | {"name": ""}, headers=HTMX)
    assert empty.status_code == 422
    assert "<html" not in empty.content.decode()
    done = operator.post(url, body, headers=HTMX)
    assert done.headers["HX-Redirect"] == url_of("change", Agent.objects.exclude(pk=agent.pk).get())


def test_archive_and_restore(remote, operator):
    agent = mirrored(remote)
    url = url_of("archive", agent)
    page = operator.get(url).content.decode()
    assert "Archive Support Bot" in page
    assert agent.id_suffix in page
    response = operator.post(url, opened(operator, url))
    assert response.url == url_of("change", agent)
    assert at_remote(remote, agent)["platform_settings"]["archived"] is True
    agent.refresh_from_db()
    assert agent.archived
    assert "Archived Support Bot" in texts(operator.get(response.url))[0]

    assert "Restore Support Bot" in operator.get(url).content.decode()
    operator.post(url, opened(operator, url))
    assert at_remote(remote, agent)["platform_settings"]["archived"] is False


def test_a_page_that_is_out_of_date_does_not_do_the_opposite(remote, operator):
    agent = mirrored(remote)
    url = url_of("archive", agent)
    first, second = opened(operator, url), opened(operator, url)
    operator.post(url, first)
    operator.post(url, second)
    assert at_remote(remote, agent)["platform_settings"]["archived"] is True
    assert len(remote.calls(method="PATCH", path="/v1/convai/agents/*")) == 1


def test_a_gone_agent_is_neither_copied_nor_archived(remote, operator):
    agent = mirrored(remote)
    bodies = {page: opened(operator, url_of(page, agent)) for page in ("duplicate", "archive")}
    agent.gone_at = agent.first_seen
    agent.save()
    for page, body in bodies.items():
        response = operator.post(url_of(page, agent), body)
        assert response.status_code == 422
        assert "is gone at ElevenLabs" in response.content.decode()
    assert not Operation.objects.exists()


def test_delete_leads_to_the_page_that_asks_about_its_numbers(remote, operator):
    agent = mirrored(remote)
    for ask in (operator.get, operator.post):
        assert ask(url_of("delete", agent)).url == f"/admin/numbers/phonenumber/delete-agent/{agent.pk}/"
    assert not Operation.objects.exists()
