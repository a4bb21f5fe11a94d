"""The sandbox's part of the voice picker: search, filters, one voice, and its audio."""

import io
import wave

import requests

from tests.sandbox_process import Sandbox


def test_filters(sandbox: Sandbox) -> None:
    def found(**query: object) -> set[str]:
        return {voice["name"] for voice in sandbox.get("/v2/voices", page_size=100, **query)["voices"]}

    assert found(search="greta") == {"Greta"}
    assert found(language="de") == {"Greta", "Jonas"}
    assert found(language=["de", "fr"], gender="male") == {"Jonas", "Lucien"}
    assert found(voice_ids=["cjVigY5qzO86Huf0OWal", "unknown"]) == {"Eric"}
    assert found(category="cloned") == {"House voice"}
    assert found(voice_type="non-default") == {"House voice", "The founder"}
    names = [voice["name"] for voice in sandbox.get("/v2/voices", page_size=100, sort="name")["voices"]]
    assert names == sorted(names, key=str.casefold)
    assert len(sandbox.get("/v2/voices")["voices"]) == 10


def test_unknown_voice(sandbox: Sandbox) -> None:
    response = sandbox.call("GET", "/v1/voices/nobody")
    assert (response.status_code, response.json()["detail"]["code"]) == (404, "voice_not_found")


def test_preview_plays_without_a_key(sandbox: Sandbox) -> None:
    url = sandbox.get("/v1/voices/cjVigY5qzO86Huf0OWal")["preview_url"]
    assert url.startswith(sandbox.url + "/_sandbox/preview/")
    response = requests.get(url, timeout=20)
    assert response.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(response.content)) as sound:
        assert 0.3 < sound.getnframes() / sound.getframerate() < 1
