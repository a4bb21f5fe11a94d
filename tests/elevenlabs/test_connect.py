"""The workspace from the settings."""

import pytest

from controlplane.elevenlabs import SANDBOX_KEY, connect


def test_connect_takes_what_the_settings_say(settings):
    settings.ELEVENLABS_BASE_URL = "http://127.0.0.1:8100/"
    settings.ELEVENLABS_API_KEY = SANDBOX_KEY
    settings.ELEVENLABS_WRITE_DEADLINE = 3.0
    settings.ELEVENLABS_READ_DEADLINE = 4.0
    client = connect()
    assert client.base_url == "http://127.0.0.1:8100"
    assert client._http._write_deadline == 3.0
    assert client._http._read_deadline == 4.0


def test_connect_refuses_an_address_that_must_not_get_the_key(settings):
    settings.ELEVENLABS_BASE_URL = "https://evil.example"
    settings.ELEVENLABS_API_KEY = "sk_real_key_0123456789"
    with pytest.raises(ValueError, match="hosts"):
        connect()
