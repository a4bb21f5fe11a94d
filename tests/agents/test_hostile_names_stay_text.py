import pytest

from agents.models import Agent
from numbers.models import PhoneNumber
from tests.agents.conftest import mirrored, opened, stored, url_of

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
NAMES = [
    SCRIPT,
    "\"><img src=x onerror=alert(1)>'",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "\u202etob troppuS\u202c",
    "</textarea></title></details><b>",
]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def pages(client, agent):
    for query in ({"look": "cards", "state": "all"}, {"look": "list", "state": "all"}):
        yield client.get(url_of("changelist"), query).content.decode()
    for page in ("change", "duplicate", "archive"):
        yield client.get(url_of(page, agent)).content.decode()
    for page in ("duplicate", "archive"):
        yield client.get(url_of(page, agent), headers={"HX-Request": "true"}).content.decode()
    yield client.post(
        url_of("change", agent), opened(client, url_of("change", agent)) | {"speed": "9"}
    ).content.decode()


def test_every_text_of_the_remote_is_escaped_everywhere(remote, operator, viewer, name):
    config = {"agent": {"first_message": name, "prompt": {"prompt": name}}}
    agent = mirrored(remote, name, **config)
    remote.call("PATCH", f"/v1/convai/agents/{agent.remote_id}", json={"tags": [name]})
    agent = stored(agent.remote_id)
    Agent.objects.filter(pk=agent.pk).update(llm=name, language=name[:40])
    PhoneNumber.objects.create(
        remote_id="phnum_1", phone_number="+15550100123", label=name, agent=agent, bound_to=agent.remote_id
    )
    seen = [*pages(operator, agent), viewer.get(url_of("change", agent)).content.decode()]
    for page in seen:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "</textarea></title>" not in page
        assert "{{ 7|add:7 }}" in page if name.startswith("{{") else True
        if name.startswith("\u202e"):  # right-to-left text is labelled as such
            assert "<bdi>�tob troppuS�</bdi>" in page


def test_a_voice_of_a_hostile_name_stays_text(remote, operator, monkeypatch):
    from agents import catalogue

    offer = catalogue.Offer("voice1", SCRIPT, (SCRIPT,), SCRIPT, 'https://x.example/"onerror="alert(1)')
    monkeypatch.setattr(catalogue, "_read_voices", lambda _: [offer])
    page = operator.get(
        url_of("voices"), {"voice_search": SCRIPT, "voice_id": SCRIPT, "stored": SCRIPT}
    ).content.decode()
    assert "<script>" not in page
    assert '"onerror' not in page


def test_a_preview_is_played_from_the_web_and_nothing_else():
    from agents.catalogue import Offer
    from controlplane.elevenlabs import Voice

    for preview in ("javascript:alert(1)", "data:text/html,x", "//x.example", "file:///etc/passwd"):
        assert Offer.of(Voice.parse({"voice_id": "v", "name": "n", "preview_url": preview})).preview == ""
