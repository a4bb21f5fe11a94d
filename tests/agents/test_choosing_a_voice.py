import pytest

from tests.agents.conftest import mirrored, url_of

pytestmark = pytest.mark.django_db

RACHEL, ERIC = "21m00Tcm4TlvDq8ikWAM", "cjVigY5qzO86Huf0OWal"


def test_a_search_shows_what_fits_with_labels_and_a_preview(remote, operator):
    page = operator.get(url_of("voices"), {"voice_search": "rachel", "voice_id": ERIC, "stored": ERIC}).content.decode()
    assert "Rachel" in page
    assert "american" in page
    assert '<audio controls preload="none" src="http' in page
    assert f'value="{ERIC}" checked' in page  # the chosen one stays, though it does not fit
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
    assert "Voices could not be read from ElevenLabs just now" in page
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
