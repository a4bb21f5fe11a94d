import pytest

from agents import catalogue
from agents.models import Agent
from controlplane.elevenlabs import Llm, Voice, VoicePage
from tests.agents.conftest import mirrored, url_of

pytestmark = pytest.mark.django_db

RACHEL, ERIC = "21m00Tcm4TlvDq8ikWAM", "cjVigY5qzO86Huf0OWal"


def test_a_search_shows_what_fits_with_labels_and_a_preview(remote, operator):
    page = operator.get(url_of("voices"), {"voice_search": "rachel", "voice_id": ERIC, "stored": ERIC}).content.decode()
    assert "Rachel" in page
    assert "american" in page
    assert '<audio controls preload="none" src="http' in page
    assert f'value="{ERIC}" checked' in page  # the selected voice is kept although it does not match
    assert "Laura" not in page


def test_the_same_search_asks_elevenlabs_once_in_a_while(remote, operator):
    for _ in range(3):
        operator.get(url_of("voices"), {"voice_search": "rachel"})
    assert len(remote.calls(path="/v2/voices")) == 1


def test_an_unknown_stored_voice_stays_selectable(remote, operator):
    page = operator.get(url_of("voices"), {"voice_id": RACHEL, "stored": "madeUpVoice01"}).content.decode()
    assert f'value="{RACHEL}" checked' in page
    assert 'value="madeUpVoice01"' in page


def test_without_elevenlabs_the_stored_voice_and_the_field_for_an_id_remain(remote, operator):
    agent = mirrored(remote)
    remote.fault("GET", "/v2/voices", "status", status=401, times=9)
    page = operator.get(url_of("voices"), {"voice_id": ERIC, "stored": ERIC}).content.decode()
    assert "Voices could not be read from ElevenLabs" in page
    assert f'value="{ERIC}" checked' in page
    form = operator.get(url_of("change", agent)).content.decode()
    assert f'value="{ERIC}" checked' in form
    assert 'name="other_voice_id"' in form


def test_a_list_never_asks_elevenlabs_but_names_what_was_read_before(remote, operator):
    mirrored(remote, tts={"voice_id": RACHEL})
    calls = remote.call_report()["last_id"]
    page = operator.get(url_of("changelist"))
    assert remote.calls(since=calls) == []
    assert page.context["cl"].voices_to_name == [RACHEL]
    named = operator.get(url_of("voice_names"), {"id": [RACHEL, "'] *", "unknown1"]}).content.decode()
    assert f"innerHTML:[data-voice='{RACHEL}']" in named
    assert "Rachel" in named
    assert "] *" not in named
    again = operator.get(url_of("changelist"))
    assert again.context["cl"].voices_to_name == []
    assert "Rachel" in again.content.decode()


def test_the_selected_voice_keeps_its_labels_and_preview_in_any_search(remote, operator):
    chosen = {"voice_search": "rachel", "voice_id": ERIC, "stored": RACHEL}
    page = operator.get(url_of("voices"), chosen).content.decode()
    assert "Preview of Eric" in page
    assert page.count("<audio") == 2
    assert page.count("<small>") == 2
    calls = len(remote.calls(path="/v1/voices/*"))
    assert calls == 1
    operator.get(url_of("voices"), chosen | {"voice_search": "nobody"})
    assert len(remote.calls(path="/v1/voices/*")) == calls


def test_a_missing_voice_is_requested_once(remote, operator):
    for _ in range(2):
        page = operator.get(url_of("voices"), {"voice_id": "madeUpVoice01"}).content.decode()
        assert 'value="madeUpVoice01" checked' in page
    assert len(remote.calls(path="/v1/voices/*")) == 1


@pytest.mark.parametrize("typed", ["german", "German "])
def test_voices_are_found_by_the_name_of_their_language(remote, operator, typed):
    page = operator.get(url_of("voices"), {"voice_search": typed}).content.decode()
    assert "Greta" in page
    assert "Jonas" in page
    assert "Eric" not in page
    assert "· German ·" in page


HALF = "\ud83d"
BAD = [HALF, "a\0b", {"deep": HALF}, float("nan")]


class Offering:
    """A remote with one valid and one invalid row in each list."""

    def __init__(self, bad):
        rows = [{"voice_id": "good", "name": "Good"}, {"voice_id": "bad", "name": "Bad", "more": bad}]
        if isinstance(bad, str):
            rows[1] |= {"name": bad, "description": bad, "labels": {"accent": bad}}
        self.voices = [Voice.parse(row) for row in rows]
        more = [{"llm": "good-llm"}, {"llm": bad if isinstance(bad, str) else "bad-llm", "more": bad}]
        self.llms = [Llm.parse(row) for row in more]

    def list_voices(self, **_):
        return VoicePage(list(self.voices), None, False)

    def get_voice(self, voice_id):
        return next(voice for voice in self.voices if voice.voice_id == voice_id)

    def list_llms(self):
        return self.llms


@pytest.mark.parametrize("bad", BAD)
def test_what_no_page_can_show_is_left_out_and_the_rest_is_offered(remote, operator, monkeypatch, bad):
    agent = mirrored(remote, tts={"voice_id": RACHEL})
    Agent.objects.update(voice_id="bad")
    monkeypatch.setattr(catalogue, "connect", lambda **_: Offering(bad))
    for _ in range(2):  # from the remote, and from the cache
        page = operator.get(url_of("voices"), {"voice_id": "bad", "stored": "good"}).content.decode()
        assert "Good" in page
        assert 'value="bad" checked' in page  # looked up by its id
        assert operator.get(url_of("voice_names"), {"id": ["good", "bad"]}).status_code == 200
        assert operator.get(url_of("changelist")).status_code == 200
        for url in (url_of("add"), url_of("change", agent)):
            page = operator.get(url)
            assert page.status_code == 200
            assert "good-llm" in page.content.decode()
            assert "bad-llm" not in page.content.decode()
    assert catalogue.voice_names(["good", "bad"]) == {"good": "Good", "bad": ""}
    assert catalogue.fetch_voice_names(["good", "bad"]) == {"good": "Good", "bad": ""}


@pytest.mark.filterwarnings("error::django.core.cache.backends.base.CacheKeyWarning")
@pytest.mark.parametrize("voice_id", ["with blanks", "a\nb", "ü" * 64, "x" * 64, "~" * 64])
def test_a_hostile_id_is_no_trouble_for_the_cache(remote, operator, voice_id):
    agent = mirrored(remote)
    Agent.objects.update(voice_id=voice_id)
    for response in (
        operator.get(url_of("voices"), {"voice_id": voice_id, "stored": voice_id, "voice_search": voice_id}),
        operator.get(url_of("changelist")),
        operator.get(url_of("change", agent)),
    ):
        assert response.status_code == 200
