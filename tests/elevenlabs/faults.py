"""Faults on the wire, each as the script of a connection, and the result of a call that encounters it."""

import gzip
from collections.abc import Callable
from functools import cache

import pytest

from controlplane.elevenlabs import ElevenLabsError

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
    """The end of the connection ends such a body: if the client cut it, it would look complete."""
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


@cache
def bomb() -> bytes:
    """Built on use, because that takes a second or two."""
    return gzip.compress(b" " * 200_000_000, 9)


def gzip_bomb(wire):
    wire.take()
    wire.reply(bomb(), headers="Content-Encoding: gzip\r\n")


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


def write(client) -> ElevenLabsError:
    with pytest.raises(ElevenLabsError) as caught:
        client.create_agent({"name": "A", "conversation_config": {}})
    return caught.value


def read(client) -> ElevenLabsError:
    with pytest.raises(ElevenLabsError) as caught:
        client.get_agent("agent_1")
    return caught.value
