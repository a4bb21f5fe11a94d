"""What is sent over the wire, and how often."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from controlplane.elevenlabs import BadShape, Limited, NotFound, NotSent, Unclear

from .conftest import KEY, MADE, PAGE
from .faults import answers


def test_a_request_carries_the_key_in_its_header_and_nothing_else_of_ours(serve, client_of):
    server = serve(answers(MADE))
    client_of(server).create_agent({"name": "Ünï", "conversation_config": {}})
    (request,) = server.requests
    assert request.line == "POST /v1/convai/agents/create HTTP/1.1"
    assert request.headers["xi-api-key"] == KEY
    assert request.headers["user-agent"] == "agent-control-plane"
    assert request.headers["content-type"] == "application/json"
    assert not {"cookie", "authorization", "expect"} & set(request.headers)
    assert b"\\u00dc" in request.body


def test_cookies_are_not_kept(serve, client_of):
    server = serve(answers(PAGE, headers="Set-Cookie: a=b; Path=/\r\n"))
    client = client_of(server)
    client.list_agents()
    client.list_agents()
    assert "cookie" not in server.requests[1].headers


def test_a_redirect_is_not_followed_and_not_even_read(serve, client_of):
    elsewhere = serve(answers(MADE))

    def redirect(wire):
        wire.take()
        wire.send(f"HTTP/1.1 307 Go\r\nLocation: {elsewhere.url}/\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        while not wire.server.over.is_set():  # as much as the client reads
            wire.send(b"10000\r\n" + b" " * 65536 + b"\r\n")

    server = serve(redirect)
    client = client_of(server)
    for call in (lambda: client.create_agent({}), client.get_user):
        with pytest.raises(BadShape, match="larger"):  # the client's own limit, so it stopped reading there
            call()
    assert elsewhere.connections == 0
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_every_redirect_is_an_unknown_outcome(status, serve, client_of):
    elsewhere = serve(answers(MADE))
    server = serve(answers(b"", status, f"Location: {elsewhere.url}/v1/user\r\n"))
    with pytest.raises(Unclear) as caught:
        client_of(server).create_agent({})
    assert caught.value.status == int(status[:3])
    assert elsewhere.connections == 0


def test_the_environment_has_no_say(serve, client_of, monkeypatch, tmp_path):
    proxy, server = serve(answers(MADE)), serve(answers(MADE))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password word")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client_of(server).create_agent({})
    assert proxy.connections == 0
    assert "authorization" not in server.requests[0].headers


def test_a_read_gets_over_a_passing_fault(serve, client_of):
    replies = [(b"", "503 Busy"), (b"", "502 Bad"), (PAGE, "200 OK")]

    def script(wire):
        while wire.take():
            wire.reply(*replies.pop(0))

    server = serve(script)
    client = client_of(server)
    assert client.list_agents().rows == []
    assert client.last_call.tries == 3
    assert client.last_call.status == 200
    assert 0.25 <= client.waits[0] <= 0.75
    assert 0.5 <= client.waits[1] <= 1.5


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("Retry-After: 7", 7, 7.7),
        ("Retry-After: 7.5", 7.5, 8.25),
        ("Retry-After: 59", 59, 60),
        ("Retry-After: 900", 60, 60),
        ("retry-after-ms: 2500", 2.5, 2.75),
        ("Retry-After: {date}", 8, 12.1),
        ("Retry-After: soon", 0.25, 0.75),
        ("Retry-After: -5", 0.25, 0.75),
        ("Retry-After: nan", 0.25, 0.75),
        ("Retry-After: inf", 0.25, 0.75),
        ("X-Other: 1", 0.25, 0.75),
    ],
)
def test_the_remote_sets_how_long_to_wait_within_bounds(header, low, high, serve, client_of):
    header = header.format(date=format_datetime(datetime.now(UTC) + timedelta(seconds=11), usegmt=True))
    replies = [(b"", "429 Slow", f"{header}\r\n"), (PAGE, "200 OK", "")]

    def script(wire):
        while wire.take():
            wire.reply(*replies.pop(0))

    client = client_of(serve(script), patience=100)
    client.list_agents()
    assert low <= client.waits[0] <= high


def test_no_wait_outlasts_the_patience(serve, client_of):
    server = serve(answers(b"", "429 Slow", "Retry-After: 20\r\n"))
    client = client_of(server, patience=15)
    with pytest.raises(Limited) as caught:
        client.list_agents()
    assert caught.value.retry_after == 20
    assert client.waits == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": {1, 2}}, {"x": object()}, {"x": b"y"}])
def test_what_is_no_json_is_not_sent(body, serve, client_of):
    server = serve(answers(MADE))
    with pytest.raises(NotSent):
        client_of(server).create_agent(body)
    assert server.connections == 0


def test_a_half_character_in_a_search_is_not_sent(serve, client_of):
    server = serve(answers(PAGE))
    with pytest.raises(NotSent):
        client_of(server).list_agents(search="\ud800")
    assert server.connections == 0


BAD_IDS = [
    "../agents/x", "%2e%2e", "a?x#y", "", "a b", "a/b", "a\n", "\n", "é", "a" * 65, ".", "..", "a.b", "a;b", "a\\b",
    "a\0", "//evil.example", "http://evil.example", None, 7,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_id_that_is_none_causes_no_call(bad, serve, client_of):
    server = serve(answers(b"{}"))
    client = client_of(server)
    for call in (
        lambda: client.get_agent(bad),
        lambda: client.update_agent(bad, {}),
        lambda: client.duplicate_agent(bad, name="x"),
        lambda: client.delete_agent(bad),
        lambda: client.agent_summaries([bad]),
        lambda: client.get_number(bad),
        lambda: client.update_number(bad, {}),
        lambda: client.delete_number(bad),
        lambda: client.get_voice(bad),
    ):
        with pytest.raises(NotSent):
            call()
    assert server.connections == 0
    assert client.calls == []


def test_each_call_is_logged_with_the_trace_of_the_remote(serve, client_of, caplog):
    replies = [
        (MADE, "200 OK", "x-trace-id: abc123\r\n"),
        (b'{"detail": {"code": "agent_not_found", "request_id": "r-9"}}', "404 Not Found", ""),
    ]

    def script(wire):
        while wire.take():
            wire.reply(*replies.pop(0))

    client = client_of(serve(script))
    with caplog.at_level("DEBUG", logger="controlplane.elevenlabs"):
        client.create_agent({"name": "very private"})
        with pytest.raises(NotFound) as caught:
            client.delete_agent("agent_2")
    assert caught.value.trace_id == "r-9"
    assert [(c.method, c.path, c.status, c.trace_id) for c in client.calls] == [
        ("POST", "/v1/convai/agents/create", 200, "abc123"),
        ("DELETE", "/v1/convai/agents/agent_2", 404, "r-9"),
    ]
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("controlplane")]
    assert len(lines) == 2
    assert lines[0].startswith("POST /v1/convai/agents/create -> 200 in ")
    assert "abc123" in lines[0]
    assert "private" not in caplog.text
    assert KEY not in caplog.text
