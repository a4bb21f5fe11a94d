"""Each fault on the wire: what it means for a write, that the write went out once, and that a read stays bounded."""

import errno
import gzip
import socket
import ssl
import subprocess
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from controlplane.elevenlabs import ElevenLabsError, NoConnection, NotSent, Outcome, TimedOut, address, transport

SHORT = 0.3
AGENT = b'{"agent_id": "agent_1", "name": "A", "conversation_config": {}}'


def close_at_once(wire):
    pass


def close_after_request(wire):
    wire.take()


def reset_after_request(wire):
    wire.take()
    wire.reset()


def not_http(wire):
    wire.take()
    wire.send(b"SSH-2.0-OpenSSH_9.9\r\n")


def truncated(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + AGENT)


def truncated_chunks(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(AGENT), AGENT))


def hang(wire):
    wire.take()
    wire.hang()


def drip_status_line(wire):
    wire.take()
    wire.drip(b"H")


def drip_headers(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\n")
    wire.drip(b"X")


def drip_body(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    wire.drip(b" ")


def drip_body_without_length(wire):
    """The end of the connection ends such a body: cut by us, it would pass for a whole one."""
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + AGENT)
    wire.drip(b" ")


def endless_continue(wire):
    wire.take()
    wire.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_chunks(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not wire.server.over.is_set():
        wire.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


def huge_declared(wire):
    wire.take()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    wire.hang()


BOMB = gzip.compress(b" " * 200_000_000, 9)


def gzip_bomb(wire):
    wire.take()
    wire.reply(BOMB, headers="Content-Encoding: gzip\r\n")


def broken_gzip(wire):
    wire.take()
    wire.reply(b"\x1f\x8bnot gzip", headers="Content-Encoding: gzip\r\n")


def answers(body: bytes, status: str = "200 OK", headers: str = "") -> Callable[..., None]:
    def script(wire):
        while wire.take():
            wire.reply(body, status, headers)

    return script


UNCLEAR = {
    "closed at once": close_at_once,
    "closed after the request": close_after_request,
    "reset after the request": reset_after_request,
    "not http": not_http,
    "truncated": truncated,
    "truncated chunks": truncated_chunks,
    "endless chunks": endless_chunks,
    "huge declared length": huge_declared,
    "gzip bomb": gzip_bomb,
    "broken gzip": broken_gzip,
    "empty 200": answers(b""),
    "html 200": answers(b"<html>hello</html>", headers="Content-Type: text/html\r\n"),
    "null 200": answers(b"null"),
    "list 200": answers(b"[]"),
    "empty object 200": answers(b"{}"),
    "error in a 200": answers(b'{"detail": {"status": "x", "message": "y"}}'),
    "deep json": answers(b'{"a":' * 200_000),
    "not utf-8": answers(b'{"agent_id": "\xff\xfe"}'),
    "odd 2xx": answers(AGENT, "202 Accepted"),
    "206": answers(AGENT, "206 Partial Content"),
    "304": answers(b"", "304 Not Modified"),
    "300": answers(b"{}", "300 Multiple Choices"),
    "408": answers(b"", "408 Request Timeout"),
    "409": answers(b'{"detail": {"code": "conflict"}}', "409 Conflict"),
    "418": answers(b"", "418 Teapot"),
    "500": answers(b'{"detail": {"code": "internal_error"}}', "500 Oops"),
    "502 html": answers(b"<html>", "502 Bad Gateway"),
    "503": answers(b"", "503 Unavailable"),
    "504": answers(b"", "504 Timeout"),
    "599": answers(b"", "599 What"),
}
TIMED_OUT = {
    "hang": hang,
    "status line drips": drip_status_line,
    "headers drip": drip_headers,
    "body drips": drip_body,
    "body without length drips": drip_body_without_length,
    "endless 100 continue": endless_continue,
}
REFUSED = {
    "400": answers(b'{"detail": {"code": "invalid_parameters", "message": "no"}}', "400 Bad"),
    "401": answers(b'{"detail": {"status": "invalid_api_key", "message": "no"}}', "401 Unauthorized"),
    "402": answers(b"{}", "402 Pay"),
    "403": answers(b"{}", "403 Forbidden"),
    "404": answers(b'{"detail": {"status": "document_not_found", "message": "no"}}', "404 Not Found"),
    "404 of the path": answers(b'{"detail": "Not Found"}', "404 Not Found"),
    "422": answers(b'{"detail": [{"loc": ["body", "name"], "msg": "no", "type": "x"}]}', "422 Unprocessable"),
    "429": answers(b'{"detail": {"status": "system_busy"}}', "429 Too Many"),
}
# Some faults are the end of a read at once; others are worth three tries. None is worth more.
ONE_TRY = {"endless chunks", "huge declared length", "gzip bomb", "broken gzip", *TIMED_OUT, *REFUSED} - {"429"}


def write(client) -> ElevenLabsError:
    with pytest.raises(ElevenLabsError) as caught:
        client.create_agent({"name": "A", "conversation_config": {}})
    return caught.value


def read(client) -> ElevenLabsError:
    with pytest.raises(ElevenLabsError) as caught:
        client.get_agent("agent_1")
    return caught.value


@pytest.mark.parametrize("fault", [*UNCLEAR, *TIMED_OUT, *REFUSED])
def test_a_write_goes_out_once_and_its_outcome_is_told(fault, serve, client_of):
    script = {**UNCLEAR, **TIMED_OUT, **REFUSED}[fault]
    server = serve(script)
    client = client_of(server, deadline=SHORT if fault in TIMED_OUT else 5)
    error = write(client)
    assert error.outcome == (Outcome.REFUSED if fault in REFUSED else Outcome.UNKNOWN)
    assert isinstance(error, TimedOut) == (fault in TIMED_OUT)
    assert server.connections == 1
    assert len(server.requests) == (0 if script is close_at_once else 1)
    assert "\n" not in str(error)
    assert client.last_call.tries == 1
    assert error.status in {None, client.last_call.status}


@pytest.mark.parametrize("fault", [*UNCLEAR, *TIMED_OUT, *REFUSED])
def test_a_read_is_tried_three_times_at_most(fault, serve, client_of):
    script = {**UNCLEAR, **TIMED_OUT, **REFUSED}[fault]
    server = serve(script)
    client = client_of(server, deadline=SHORT if fault in TIMED_OUT else 5)
    read(client)
    again = fault in {"429", "502 html", "503", "504"} or script in {
        close_at_once, close_after_request, reset_after_request, not_http, truncated, truncated_chunks,
    }  # fmt: skip
    assert client.last_call.tries == (3 if again else 1)
    assert len(client.waits) == client.last_call.tries - 1
    if script is not close_at_once:
        assert len(server.requests) == client.last_call.tries


def test_a_gzip_bomb_is_not_unpacked_into_memory(serve, client_of):
    client = client_of(serve(gzip_bomb))
    tracemalloc.start()
    try:
        write(client)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_refused_connection_is_not_sent(client_of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = client_of(f"http://127.0.0.1:{port}")
    assert write(client).outcome is Outcome.NOT_SENT
    assert client.last_call.tries == 1
    assert isinstance(read(client), NoConnection)
    assert client.last_call.tries == 3


def test_a_connection_that_nobody_accepts_ends_at_the_deadline_and_is_not_sent(client_of):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(8):  # fills the queue of the listener, so that the next one gets no answer at all
            sock = socket.socket()
            sock.setblocking(False)
            assert sock.connect_ex(full.getsockname()) in {0, errno.EINPROGRESS}
            waiting.append(sock)
        error = write(client_of(f"http://127.0.0.1:{full.getsockname()[1]}", deadline=SHORT))
        assert error.outcome is Outcome.NOT_SENT
        for sock in waiting:
            sock.close()


@pytest.fixture
def elevenlabs_is(monkeypatch):
    """Lets the name api.elevenlabs.io lead to the given addresses."""

    def set_addresses(*addresses, trusted=True):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        if trusted:
            monkeypatch.setattr(address, "may_connect", lambda *_: True)

    return set_addresses


def test_a_name_that_is_not_found_is_not_sent(monkeypatch, client_of):
    def fail(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = write(client_of("https://api.elevenlabs.io"))
    assert isinstance(error, NoConnection)
    assert error.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "0.0.0.0"])
def test_a_name_that_leads_to_this_machine_or_its_cloud_is_not_connected_to(ip, monkeypatch, elevenlabs_is, client_of):
    elevenlabs_is((ip, 443), trusted=False)
    tried = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: tried.append(where))
    assert write(client_of("https://api.elevenlabs.io")).outcome is Outcome.NOT_SENT
    assert tried == []


def test_the_second_address_is_used_where_the_first_refuses(serve, elevenlabs_is, client_of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()
    server = serve(answers(b'{"agent_id": "agent_1"}'))
    elevenlabs_is(dead, ("127.0.0.1", server.port))
    assert client_of("http://localhost:1").create_agent({}) == "agent_1"


@pytest.mark.parametrize("script", [close_at_once, lambda wire: wire.send(b"HTTP/1.1 400 Bad\r\n\r\n"), Ellipsis])
def test_a_failed_handshake_is_not_sent(script, serve, elevenlabs_is, client_of):
    server = serve((lambda wire: wire.hang()) if script is Ellipsis else script)
    elevenlabs_is(("127.0.0.1", server.port))
    error = write(client_of("https://api.elevenlabs.io", deadline=SHORT))
    assert isinstance(error, NotSent)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For api.elevenlabs.io, signed by nobody."""
    pem = tmp_path / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=api.elevenlabs.io"
    names = "subjectAltName=DNS:api.elevenlabs.io"
    done = subprocess.run(
        [*command.split(), "-addext", names, "-keyout", "k.pem", "-out", "c.pem"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("openssl makes no certificate here")
    pem.write_bytes((tmp_path / "k.pem").read_bytes() + (tmp_path / "c.pem").read_bytes())
    return pem


@pytest.fixture
def serve_tls(serve, certificate):
    def make(script):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return serve(script, wrap=lambda sock: context.wrap_socket(sock, server_side=True))

    return make


def test_a_certificate_signed_by_nobody_gets_no_byte(serve_tls, elevenlabs_is, client_of):
    server = serve_tls(answers(b'{"agent_id": "agent_1"}'))
    elevenlabs_is(("127.0.0.1", server.port))
    error = write(client_of("https://api.elevenlabs.io"))
    assert error.outcome is Outcome.NOT_SENT
    assert server.requests == []


def trust(certificate, monkeypatch):
    adapter = transport._adapter()
    monkeypatch.setattr(adapter, "send", partial(adapter.send, verify=str(certificate)))


@pytest.mark.parametrize("fault", ["headers drip", "body without length drips", "hang"])
def test_the_deadline_holds_over_tls(fault, serve_tls, elevenlabs_is, client_of, certificate, monkeypatch):
    trust(certificate, monkeypatch)
    server = serve_tls(TIMED_OUT[fault])
    elevenlabs_is(("127.0.0.1", server.port))
    error = write(client_of("https://api.elevenlabs.io", deadline=0.5))
    assert isinstance(error, TimedOut)
    assert len(server.requests) == 1


def test_tls_works_at_all(serve_tls, elevenlabs_is, client_of, certificate, monkeypatch):
    trust(certificate, monkeypatch)
    server = serve_tls(answers(b'{"agent_id": "agent_1"}'))
    elevenlabs_is(("127.0.0.1", server.port))
    client = client_of("https://api.elevenlabs.io")
    assert client.create_agent({}) == "agent_1"
    assert client.create_agent({}) == "agent_1"
    assert server.connections == 1
