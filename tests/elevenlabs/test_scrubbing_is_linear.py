"""Scrubbing takes linear time for any text, even one chosen by an attacker, such as a path or a remote message. A
long text is truncated first, in a way that reveals no half of a secret."""

import base64
import json
import logging
from urllib.parse import quote

import pytest

from controlplane.elevenlabs.error_mapping import clean
from controlplane.elevenlabs.scrub import MASK, MAX_LOGGED_CHARS, ScrubFilter, scrub, scrub_shortened, secrets_in_memory
from tests.elevenlabs.test_secrets_are_masked import SID, TOKEN

# One unit of each is repeated: characters with which a quantifier may begin, and which may delay its end.
SHAPES = {
    "backslashes": "\\",
    "escaped quotes": '\\"',
    "blanks": " ",
    "names": "token ",
    "names and blanks": "token" + " " * 50,
    "names and backslashes": "token" + "\\" * 50,
    "names and values": 'token="\\" ',
    "headers": "authorization: ",
    "keys": "sk_",
    "account ids": f"{SID} ",
    "digits": "a",
    "words of digits": f"secret {'0' * 32}",
}
LONG = 400_000


@pytest.mark.parametrize("secret", ["", "ab" * 1000], ids=["looks", "in memory"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.timeout(120, method="signal")  # this also interrupts a regular expression, and fails only this test
def test_a_long_text_comes_to_an_end(shape, secret):
    """A moment if the time grows with the length, many minutes if it grows with the square."""
    with secrets_in_memory(secret):
        assert scrub(SHAPES[shape] * (LONG // len(SHAPES[shape])))


def record_of(text: str) -> logging.LogRecord:
    record = logging.makeLogRecord({"msg": "Not Found: %s", "args": (text,), "extra": {"path": text}})
    try:
        raise ValueError(text)
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    ScrubFilter().filter(record)
    return record


def test_what_is_logged_of_a_long_text_is_its_beginning_and_its_end():
    record = record_of("first " + "word " * 1_000_000 + "last")
    for scrubbed in (record.msg, record.exc_text, record.extra):
        assert MAX_LOGGED_CHARS / 2 < len(scrubbed) < MAX_LOGGED_CHARS + 100
        assert "first word" in scrubbed[:1000]
        assert "word last" in scrubbed[-100:]
    # "Not Found: first word ... last" without the two halves
    assert f"{len('Not Found: ') + 5_000_010 - MAX_LOGGED_CHARS:,}"[:4] in record.msg
    assert "characters left out" in record.msg
    assert record_of("short").msg == "Not Found: short"


NAMED = "opaque-" + "k9" * 400  # only recognizable by the name before it
SECRETS = {
    "a token": (TOKEN, TOKEN),
    "a token in JSON": (TOKEN, json.dumps(json.dumps([TOKEN]))),
    "a token in base64": (TOKEN, base64.b64encode(TOKEN.encode()).decode()),
    "a long secret": ("p/ß " * 700, quote("p/ß " * 700)),
    "a named value": ("", f'"token": "{NAMED}"'),
    "an API key": ("", "sk_" + "Zq7" * 20),
    "a Twilio token next to its account": ("", f"{SID}:{TOKEN}"),
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_that_a_cut_divides_does_not_get_through(what):
    """Wherever the first and the second cut divide it."""
    known, text = SECRETS[what]
    kept, words = 1_000, "a word " * 20_000
    with secrets_in_memory(known):
        for cut in (kept, len(words) - kept):
            for divided in range(0, len(text) + 50, max(1, len(text) // 60)):
                at = cut - divided
                scrubbed = scrub_shortened(f"{words[:at]} {text} {words[at + len(text) + 2 :]}", 2 * kept)
                assert "characters left out" in scrubbed
                rest = scrubbed.replace(MASK, "").replace('"token": ', "").replace(SID, "")
                assert [word for word in rest.split() if len(word) > 8 and word in text and word not in SID] == []


def test_nor_does_half_of_one_come_back_from_the_remote():
    """The remote fills the truncated part with blanks, which are collapsed: then half a token would be shown."""
    with secrets_in_memory(TOKEN):
        for length in (10_000, 100_000):
            for shown in range(1, len(TOKEN)):
                message = "no" + " " * (length - 2 - shown) + TOKEN + " " * 200_000
                assert TOKEN[:8] not in clean(message)
                assert TOKEN[:8] not in clean(json.dumps([{"msg": "no" + " " * 80}] * 1200)[: length - shown] + TOKEN)
