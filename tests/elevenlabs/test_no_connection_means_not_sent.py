"""Without a connection, or with an untrusted one, no byte of a write is sent."""

import errno
import socket
import ssl
import subprocess
from functools import partial
from pathlib import Path

import pytest

from controlplane.elevenlabs import NoConnection, NotSent, Outcome, TimedOut, base_url, transport

from .faults import SHORT, TIMED_OUT, answers, close_at_once, read, write


def test_a_refused_connection_is_not_sent(client_of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = client_of(f"http://127.0.0.1:{port}")
    assert write(client).outcome is Outcome.NOT_SENT
    assert client.last_call.tries == 1
    assert isinstance(read(client), NoConnection)
    assert client.last_call.tries == 3


def test_a_connection_that_is_not_accepted_ends_at_the_deadline_and_is_not_sent(client_of):
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
    """Resolves the name api.elevenlabs.io to the given addresses."""

    def set_addresses(*addresses, trusted=True):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        if trusted:
            monkeypatch.setattr(base_url, "may_connect", lambda *_: True)

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
    """For api.elevenlabs.io, self-signed."""
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


def test_a_self_signed_certificate_gets_no_byte(serve_tls, elevenlabs_is, client_of):
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
