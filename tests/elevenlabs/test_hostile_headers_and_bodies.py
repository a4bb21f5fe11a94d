"""Whatever status line, headers and body a response has, a call returns it parsed or raises ElevenLabsError."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controlplane.lifecycle.live_reads import get

EXAMPLES = [40, pytest.param(300, marks=pytest.mark.slow)]  # at about 15 ms each
LINE = "x" * 64_000
DATE = "Mon, 99999999999999999999999 Jan 2030 00:00:00 GMT"
AGENT = {"name": "A", "conversation_config": {}}
CALLS = [
    lambda client: client.list_agents(),
    lambda client: client.agent_summaries(["agent_1"]),
    lambda client: client.get_agent("agent_1"),
    lambda client: client.list_numbers(phone_number="+14155550123"),
    lambda client: client.get_number("phnum_1"),
    lambda client: client.list_voices(),
    lambda client: client.get_voice("voice_1"),
    lambda client: client.list_llms(),
    lambda client: client.get_user(),
    lambda client: client.create_agent(AGENT),
    lambda client: client.update_agent("agent_1", AGENT),
    lambda client: client.duplicate_agent("agent_1", name="B"),
    lambda client: client.delete_agent("agent_1"),
    lambda client: client.import_number({"phone_number": "+14155550123", "token": "t" * 32}),
    lambda client: client.update_number("phnum_1", {"agent_id": None}),
    lambda client: client.delete_number("phnum_1"),
]
STATUS_LINES = [
    *(f"HTTP/1.1 {status} X" for status in (200, 201, 202, 204, 206, 301, 304, 400, 401, 402, 403, 404, 409)),
    *(f"HTTP/1.1 {status} X" for status in (418, 422, 429, 429, 429, 500, 502, 503, 503, 504, 599, 999)),
    *("HTTP/1.1 200", "HTTP/1.1  200  OK", "HTTP/1.0 200 OK", "HTTP/9.9 200 OK", "HTTP/1.1 -5 X", "HTTP/1.1 1000 X"),
    *(
        "HTTP/1.1 " + "9" * 5000,
        "HTTP/1.1 \xb2\xb2\xb2 X",
        "HTTP/1.1 429 " + LINE,
        "HTTP/1.1 429 \xff\x00",
        "200 OK",
        "",
    ),
    *("HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 X", "HTTP/1.1 103 X\r\nLink: x\r\n\r\nHTTP/1.1 503 X", "HTTP/1.1 101 X"),
]
NUMBERS = ["-5", "0", "1_0", "1e400", "-1e400", "nan", "inf", "-inf", "9" * 400, "9" * 5000, "\xb2", "0x10", "5, 6", ""]
DATES = [
    *(DATE, f"Mon, 1 Jan {'9' * 25} 00:00:00 GMT", f"Mon, 1 Jan 2030 00:00:00 +{'9' * 30}", "Mon, 1 Jan 0001 00:00:00"),
    *("1 Jan 9999 23:59:59 -2359", "1 Jan 0000 00:00:00 +2359", "1 Jan 2030 99:99:99", "1 Jan 2030 00:00:00 +9999"),
    *("Mon,", ",", "\x00", "Mon, 1 Jan 2030", "Thu Jan  1 00:00:00 1970", f"1 Jan {2**31} 0:0 -0000"),
]
HEADERS = {
    "Retry-After": [*NUMBERS, *DATES],
    "Retry-After-Ms": [*NUMBERS, *DATES],
    "X-RateLimit-Reset": [*NUMBERS, *DATES],
    "Date": [*NUMBERS, *DATES, LINE],
    "Content-Length": [*NUMBERS, "1", "10000000000", "+3", "3;3"],
    "Content-Type": [
        "application/json; charset=\xff",
        "x; charset=no-such",
        "x; charset*=''%",
        ";",
        "x; charset=idna",
        LINE,
    ],
    "Content-Encoding": ["gzip", "deflate", "br", "zstd", "gzip, gzip", ", ".join(["gzip"] * 20), "\xff", "identity"],
    "Transfer-Encoding": ["chunked", "chunked, chunked", "\xff", "gzip"],
    "X-Trace-Id": ["\xff\x01", "sk_0123456789abcdef", LINE, "a b", "<script>"],
    "Location": ["/", "//x", "http://[", "\xff", "http://127.0.0.1:1/"],
    "Set-Cookie": ["a=b; expires=Mon, 99999999999 Jan 2030", "=", "\xff", "a=b; max-age=9e99; domain=x", DATE],
    "Connection": ["close", "upgrade", "\xff"],
    "WWW-Authenticate": ["Basic", "Negotiate \xff"],
    "\xff: x\r\nNo colon": ["x", " folded\r\n and so on"],
}
HEADER = st.sampled_from(sorted(HEADERS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from(HEADERS[name])
        | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    )
)
TEXTS = [
    b'{"agent_id": "agent_1", "name": "A", "conversation_config": {}, "phone_number_id": "phnum_1", "label": "", '
    b'"phone_number": "1", "agents": [], "phone_numbers": [{}], "voices": [{}], "llms": [1], "has_more": false}',
    *(
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"NaN",
        b"1e999",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00",
        b"<html>",
        b"[" * 100_000,
    ),
    *(
        b"9" * 5000,
        b'{"detail": ' + b"9" * 5000 + b"}",
        b'{"detail": "\\ud800"}',
        b'{"detail": [1, {}, {"loc": [[]]}]}',
    ),
    b'{"detail": [{"loc": ["body", 1e999, "\\ud800", {}], "msg": 5}]}',
    b'{"detail": {"status": 5, "code": "\\ud800", "type": [], "message": {}, "param": 7, "request_id": "\\u0000"}}',
    b'{"detail": {"message": "' + b"\\\\" * 3000 + b'"}}',
    b'{"name": "\\ud800", "agent_id": "agent_1", "conversation_config": {"\\ud800": 1}, "metadata": []}',
    b'{"agent_1": {"status": "success", "data": {"agent_id": 5}}}',
    b"5\r\n{}   \r\n0\r\n\r\n",
    b"fffffffffffffffffff\r\n{}",
    b"-1\r\n{}",
]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_answer_is_parsed_or_one_of_our_errors(examples, serve, client_of):
    answer = b""

    def script(wire):
        if wire.take() is not None:
            wire.send(answer)

    client = client_of(serve(script), deadline=3)

    @settings(max_examples=examples, derandomize=True, deadline=None, database=None)
    @example(CALLS[0], "HTTP/1.1 503 X", [("Retry-After", DATE)], b"")
    @example(CALLS[-1], "HTTP/1.1 429 X", [("Retry-After", DATE)], b"")
    @example(CALLS[0], "HTTP/1.1 200 X", [("Date", DATE)], TEXTS[0])
    @given(
        st.sampled_from(CALLS),
        st.sampled_from(STATUS_LINES),
        st.lists(HEADER, max_size=4),
        st.sampled_from(TEXTS) | st.binary(max_size=60),
    )
    def answered(call, status, headers, body):
        nonlocal answer
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        answer = f"{status}\r\n{head}\r\n".encode("latin-1") + body
        read = get(client, "x", "x", call)  # like live_check: catches only the client's errors, and reads the clock
        if read.error is not None:
            assert len(str(read.error)) < 500
            assert str(read.error).isprintable()
            assert read.error.retry_after is None or 0 <= read.error.retry_after < math.inf
        assert len(client.last_call.trace_id) <= 100

    answered()
