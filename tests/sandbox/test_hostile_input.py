"""Any invalid input gets a realistic 4xx, and the sandbox keeps running."""

import socket

import pytest

from tests.sandbox_process import Sandbox

BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b"\x00\xff\xfe",
    b'{"name": NaN}',
    b'{"conversation_config": Infinity}',
    b'{"conversation_config": []}',
    b'{"conversation_config": {"agent": 5}}',
    b'{"conversation_config": {"agent": {"prompt": {"llm": "gpt-99"}}}}',
    b'{"conversation_config": {"tts": {"stability": "very"}}}',
    b'{"conversation_config": {}, "name": "\\ud800"}',
    b'{"conversation_config": {}, "name": {"a": 1}}',
    b'{"conversation_config": {}, "tags": "one"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40]))
def test_bad_bodies(sandbox: Sandbox, body: bytes) -> None:
    for method, path in (
        ("POST", "/v1/convai/agents/create"),
        ("POST", "/v1/convai/phone-numbers"),
        ("POST", "/_sandbox/console"),
    ):
        response = sandbox.call(method, path, data=body)
        assert response.status_code in (400, 422), (path, response.status_code, response.text[:300])
        assert isinstance(response.json()["detail"], list | dict)
    assert sandbox.ledger() == []


@pytest.mark.parametrize("body", [b"{", b"null", b'{"conversation_config": {"agent": 5}}', b'{"name": "\\udfff"}'])
def test_bad_patches_change_nothing(sandbox: Sandbox, body: bytes) -> None:
    agent_id = sandbox.create_agent()
    response = sandbox.call("PATCH", f"/v1/convai/agents/{agent_id}", data=body)
    assert response.status_code in (400, 422)
    assert len(sandbox.ledger()) == 1


@pytest.mark.parametrize(
    "bad_id", ["%00", "..%2F..%2Fetc", "a%20b", "%F0%9F%98%80", "x" * 5000, "';DROP TABLE agents;--"]
)
def test_bad_ids(sandbox: Sandbox, bad_id: str) -> None:
    for path in ("/v1/convai/agents/", "/v1/convai/phone-numbers/", "/v1/voices/", "/_sandbox/preview/"):
        assert sandbox.call("GET", path + bad_id).status_code == 404
    assert sandbox.get("/v1/convai/agents")["agents"] == []


def test_a_name_of_any_text_comes_back(sandbox: Sandbox) -> None:
    for name in ("", "\u0000", "\u202egnp.exe", "<script>alert(1)</script>", "=1+1", "x" * 10_000, "😀", "'\"%_"):
        agent_id = sandbox.create_agent(name)
        assert sandbox.get(f"/v1/convai/agents/{agent_id}")["name"] == name


def test_large_bodies(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent(agent={"prompt": {"prompt": "p" * (4 << 20)}})
    assert len(sandbox.call("GET", f"/v1/convai/agents/{agent_id}").content) > 4 << 20
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=20) as connection:
        head = "POST /v1/convai/agents/create HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "start",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET //[?x=%zz HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /v1/user HTTP/1.1\r\n\r\n",
        b"POST /v1/user HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /v1/user HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"POST /v1/user HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"POST /v1/convai/agents/create HTTP/1.1\r\ncontent-length: 50\r\n\r\n{",
    ],
    ids=lambda start: repr(start[:40]),
)
def test_bad_http(sandbox: Sandbox, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(start)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert b"Traceback" not in received
    assert b"Python" not in received
    assert sandbox.call("GET", "/v1/user").ok
