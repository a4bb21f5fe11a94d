"""The key is only sent to ElevenLabs or to this machine, whatever the URL looks like."""

import pytest

from controlplane.elevenlabs import SANDBOX_KEY, ElevenLabs, check_base_url, check_key, is_sandbox
from controlplane.elevenlabs.base_url import may_connect


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://api.elevenlabs.io", "https://api.elevenlabs.io"),
        ("https://API.ElevenLabs.io/", "https://api.elevenlabs.io"),
        ("https://api.elevenlabs.io:443", "https://api.elevenlabs.io"),
        ("https://api.us.elevenlabs.io", "https://api.us.elevenlabs.io"),
        ("https://api.eu.residency.elevenlabs.io", "https://api.eu.residency.elevenlabs.io"),
        ("https://api.in.residency.elevenlabs.io", "https://api.in.residency.elevenlabs.io"),
        ("https://api.sg.residency.elevenlabs.io", "https://api.sg.residency.elevenlabs.io"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:08100/", "http://[::1]:8100"),
    ],
)
def test_good_addresses_are_brought_to_one_form(url, normal):
    assert check_base_url(url) == normal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.elevenlabs.io",
        "http://api.elevenlabs.io",
        "https://api.elevenlabs.io:8443",
        "https://api.elevenlabs.io:",
        "https://api.elevenlabs.io.",
        "https://api.elevenlabs.io/v1",
        "https://api.elevenlabs.io//",
        "https://api.elevenlabs.io?x=1",
        "https://api.elevenlabs.io/?x=1",
        "https://api.elevenlabs.io#x",
        "https://api.elevenlabs.io\\@evil.example",
        "https://api.elevenlabs.io@evil.example",
        "https://user:word@api.elevenlabs.io",
        "https://evil.example/api.elevenlabs.io",
        "https://api.elevenlabs.io.evil.example",
        "https://evilapi.elevenlabs.io",
        "https://elevenlabs.io",
        "https://api.eu.elevenlabs.io",
        "https://api.elevenlabs.io ",
        " https://api.elevenlabs.io",
        "https://api.elevenlabs.io\n",
        "https://api.eleven\tlabs.io",
        "https://api.elevenlabs%2eio",
        "https://api.elevenlabs。io",
        "https://арі.elevenlabs.io",
        "https://xn--80aa.elevenlabs.io",
        "https:/api.elevenlabs.io",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://127.0.0.1",
        "https://localhost:8100",
        "http://127.0.0.1:0",
        "http://127.0.0.1:70000",
        "http://127.0.0.1:99999999",
        "http://127.1",
        "http://127.0.0.2",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://0.0.0.0",
        "http://169.254.169.254",
        "http://10.0.0.1",
        "http://[::ffff:127.0.0.1]",
        "http://[::]",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1:8100/x",
        "http://127.0.0.1:8100@evil.example",
        None,
        7,
    ],
)
def test_any_other_address_is_refused_in_one_plain_sentence(url):
    with pytest.raises(ValueError) as caught:
        check_base_url(url)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "evil" not in text
    assert "word" not in text


def test_the_sandbox_is_what_runs_on_this_machine():
    assert is_sandbox("http://127.0.0.1:8100")
    assert is_sandbox("http://localhost:1")
    assert is_sandbox("http://[::1]")
    assert not is_sandbox("https://api.elevenlabs.io")


def test_the_sandbox_key_stays_on_this_machine():
    check_key("http://127.0.0.1:8100", SANDBOX_KEY)
    check_key("http://127.0.0.1:8100", "sk_real")
    check_key("https://api.elevenlabs.io", "sk_real")
    with pytest.raises(ValueError, match="real API key"):
        ElevenLabs("https://api.elevenlabs.io", SANDBOX_KEY)


@pytest.mark.parametrize("key", ["", "sk_a b", "sk_a\r\nx-admin: 1", "sk_é", "sk_a\0"])
def test_a_key_that_would_break_a_header_is_refused(key):
    with pytest.raises(ValueError) as caught:
        ElevenLabs("https://api.elevenlabs.io", key)
    assert "x-admin" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "ip", "allowed"),
    [
        ("api.elevenlabs.io", "34.36.1.1", True),
        ("api.elevenlabs.io", "2600:1901::1", True),
        ("api.elevenlabs.io", "10.1.2.3", True),
        ("api.elevenlabs.io", "127.0.0.1", False),
        ("api.elevenlabs.io", "::1", False),
        ("api.elevenlabs.io", "::ffff:127.0.0.1", False),
        ("api.elevenlabs.io", "169.254.169.254", False),
        ("api.elevenlabs.io", "::ffff:169.254.169.254", False),
        ("api.elevenlabs.io", "fe80::1%eth0", False),
        ("api.elevenlabs.io", "0.0.0.0", False),
        ("api.elevenlabs.io", "224.0.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("::1", "::1", True),
        ("localhost", "34.36.1.1", False),
        ("localhost", "10.0.0.1", False),
    ],
)
def test_a_name_must_lead_where_it_should(host, ip, allowed):
    assert may_connect(host, ip) is allowed
