"""A canary passes through every text that the project writes, in every encoding it may have."""

import base64
import json
import logging
import subprocess
import sys
import traceback
from urllib.parse import quote, quote_plus

import pytest

from controlplane.elevenlabs import ElevenLabsError
from controlplane.elevenlabs.error_mapping import Reply
from controlplane.elevenlabs.scrub import MASK, ScrubFilter, scrub, secrets_in_memory

from .conftest import KEY

SID = "AC" + "0123456789abcdef" * 2
TOKEN = "fedcba9876543210" * 2
AWKWARD = "pa\"ss\\wörd/+ =&'?"


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} end",
        f"xi-api-key: {KEY}",
        "xi-api-key: opaque-key-1",
        "{'xi-api-key': 'opaque-key-1'}",
        "[('xi-api-key', 'opaque-key-1')]",
        "[(b'xi-api-key', b'opaque-key-1')]",
        "Authorization: Bearer opaque-key-1",
        "Authorization: Basic opaque-key-1",
        '{"token": "opaque-key-1"}',
        '{"account_auth_token":"opaque-key-1"}',
        '{"a": "{\\"auth_token\\": \\"opaque-key-1\\"}"}',
        "token=opaque-key-1&x=1",
        "password: opaque-key-1",
        "TWILIO_AUTH_TOKEN = 'opaque-key-1'".replace("TWILIO_", ""),
        f"{SID}:{TOKEN}",
        f'"sid": "{SID}", "x": "{TOKEN}"',
        f"{SID.replace('AC', 'SK')} and {TOKEN}",
        f"the auth token is {TOKEN}",
        f"token {TOKEN.upper()}",
    ],
)
def test_secrets_are_known_by_their_looks(text):
    cleaned = scrub(text)
    assert MASK in cleaned
    assert not any(secret in cleaned for secret in (KEY[6:], TOKEN, TOKEN.upper(), "opaque-key-1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agent_0123456789abcdef0123456789abcdef assigned to phnum_1",
        "GET /v1/convai/agents -> 200 in 12 ms, tries 1, trace 3c807fc41234123412341234abcdabcd",
        f"imported with {SID}",
        "max_tokens: 100, page_token=abc, a token, and more",
        "task_runner and risk_assessment",
        "sk_sandbox",
    ],
)
def test_ordinary_texts_stay_as_they_are(text):
    assert scrub(text) == text


def forms(secret):
    raw = secret.encode()
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)
    yield json.dumps(json.dumps({"x": secret}))
    yield repr({"x": secret})
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield quote(secret, safe="").lower()
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    for before in ("", "a", "ab", "abc", "user:"):
        for after in ("", "z", "zz"):
            yield "Basic " + base64.b64encode(before.encode() + raw + after.encode()).decode()


@pytest.mark.parametrize("secret", [TOKEN, AWKWARD, "short-one-1", "ü" * 20])
def test_what_is_in_memory_is_masked_in_every_form(secret):
    for text in forms(secret):
        with secrets_in_memory(secret):
            cleaned = scrub(f"before {text} after")
        assert MASK in cleaned
        assert secret not in cleaned
        # No long part of it remains either, in any encoding.
        assert not any(text[i : i + 16] in cleaned for i in range(6, len(text) - 22, 1) if len(secret) >= 20), cleaned


def test_secrets_are_forgotten_with_their_block():
    with secrets_in_memory("canary-one"):
        with secrets_in_memory("canary-two"):
            assert scrub("canary-one canary-two") == f"{MASK} {MASK}"
        assert scrub("canary-one canary-two") == f"{MASK} canary-two"
    assert scrub("canary-one") == "canary-one"
    with secrets_in_memory("", "a", None):
        assert scrub("a banana") == "a banana"


def lines_of(caplog, log):
    """What a handler with the filter writes, and what a second one without it still gets."""
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append(self.format(record))

    logger = logging.Logger("test")
    for filtered in (True, False):
        handler = Handler()
        handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
        if filtered:
            handler.addFilter(ScrubFilter())
        logger.addHandler(handler)
    log(logger)
    return seen


def fail():
    raise RuntimeError(f"token={TOKEN}")


def with_traceback(logger):
    try:
        fail()
    except RuntimeError:
        logger.exception("went wrong with %s", KEY)


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.warning("key %s", KEY),
        lambda logger: logger.warning("key %(k)s", {"k": KEY}),
        lambda logger: logger.warning({"token": TOKEN}),
        lambda logger: logger.warning("bad arguments %d", KEY),
        lambda logger: logger.warning(f"token {TOKEN}", stack_info=True),
        with_traceback,
    ],
)
def test_no_handler_writes_a_secret(log, caplog):
    lines = lines_of(caplog, log)
    assert len(lines) == 2
    for line in lines:
        assert KEY[6:] not in line
        assert TOKEN not in line
        assert MASK in line or "did not fit" in line


def test_a_traceback_is_kept_without_its_secret(caplog):
    line = lines_of(caplog, with_traceback)[0]
    assert "RuntimeError" in line
    assert "in fail" in line


def test_no_later_handler_gets_the_exception_itself():
    try:
        fail()
    except RuntimeError:
        record = logging.makeLogRecord({"msg": "x", "exc_info": sys.exc_info()})
    ScrubFilter().filter(record)
    assert record.exc_info is None
    assert "RuntimeError" in record.exc_text
    assert TOKEN not in record.exc_text


def test_extras_of_a_record_are_masked_too():
    record = logging.makeLogRecord({"msg": "x", "data": {"token": TOKEN}, "note": KEY})
    assert ScrubFilter().filter(record)
    assert TOKEN not in repr(record.__dict__)
    assert KEY not in repr(record.__dict__)


def test_the_logging_configuration_finds_the_filter_before_django_is_set_up():
    code = """if True:
        import logging.config
        logging.config.dictConfig({
            "version": 1,
            "filters": {"scrub": {"()": "controlplane.elevenlabs.scrub.ScrubFilter"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "filters": ["scrub"]}},
            "root": {"handlers": ["h"]},
        })
        logging.error("key sk_1234567890")
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": "."}, timeout=60, check=False
    )
    assert done.stderr == f"key sk_{MASK}\n"


ECHOES = {
    "422": ("422 No", json.dumps({"detail": [{"loc": ["body", TOKEN], "msg": f"bad {TOKEN}", "input": TOKEN}]})),
    "400": ("400 No", json.dumps({"detail": {"code": "x", "message": f"AC.. {TOKEN} {KEY}", "param": TOKEN}})),
    "401": ("401 No", json.dumps({"detail": f"key {KEY} token {TOKEN}"})),
    "409": ("409 No", json.dumps({"detail": {"message": f"{base64.b64encode(TOKEN.encode()).decode()}"}})),
    "500": ("500 No", json.dumps({"detail": {"message": json.dumps({"token": TOKEN})}})),
    "200": ("200 OK", json.dumps({"phone_number_id": f"{TOKEN} {KEY}"})),
    "html": ("502 No", f"<html>{TOKEN} {KEY}</html>"),
    "cut": ("200 OK", ""),
    "huge": ("200 OK", TOKEN * 400_000),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("token", [TOKEN, "opaque-secret-without-a-form"])
def test_no_secret_gets_out_of_an_import_whatever_the_remote_does_with_it(echo, token, serve, client_of, caplog):
    status, body = ECHOES[echo]
    body = body.replace(TOKEN, token).encode()

    def script(wire):
        wire.take()
        wire.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body) + (echo == 'cut')}\r\n\r\n".encode() + body)

    server = serve(script)
    client = client_of(server)
    with caplog.at_level("DEBUG"), pytest.raises(ElevenLabsError) as caught:
        client.import_number({"provider": "twilio", "phone_number": "+1", "label": "x", "sid": SID, "token": token})
    assert token.encode() in server.requests[0].body
    error = caught.value
    ours = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if "controlplane" in frame.f_code.co_filename]
    everything = [
        str(error), repr(error), repr(error.__dict__), repr(error.args), repr(client), repr(client.calls), caplog.text,
        "".join(traceback.format_exception(error)), *(repr(frame.f_locals) for frame in ours),
        repr(error.__context__), repr(error.__cause__),
    ]  # fmt: skip
    encoded = base64.b64encode(token.encode()).decode()
    for text in everything:
        assert token not in text
        assert KEY not in text
        assert encoded not in text


def test_the_key_is_not_in_any_representation(client_of):
    client = client_of("https://api.elevenlabs.io")
    assert KEY not in repr(client) + repr(vars(client)) + repr(vars(client._http)) + repr(vars(client._http)["_key"])


@pytest.mark.parametrize(
    "token", [TOKEN.upper(), TOKEN[:16], TOKEN[:20], TOKEN[-16:], f"x{TOKEN}x", TOKEN[:16].upper()]
)
def test_a_hexadecimal_token_in_capitals_or_cut_short(token):
    with secrets_in_memory(TOKEN):
        assert token not in scrub(f"bad {token}, sorry")
    assert scrub(f"bad {TOKEN[:12]}") == f"bad {TOKEN[:12]}"


@pytest.mark.parametrize("token", ["&lt;a&gt;&amp;&quot;b&#x27;", "&lt;a&gt;&amp;&#34;b&#39;", "&lt;a&gt;&amp;\"b'"])
def test_a_secret_in_html(token):
    with secrets_in_memory("<a>&\"b'"):
        assert scrub(f"<p>{token}</p>") == f"<p>{MASK}</p>"


def test_a_trace_id_that_is_a_token_is_none():
    reply = Reply(400, {"x-trace-id": TOKEN}, b"{}")
    with secrets_in_memory(TOKEN):
        assert reply.trace_id() == ""
    assert reply.trace_id() == TOKEN, "any other value of this form is accepted"
