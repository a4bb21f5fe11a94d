"""Applies a scripted fault to a connection."""

import select
import socket
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from . import app, delayed_writes
from .errors import sample
from .faults import Fault
from .messages import Answer, Request
from .state import SandboxState

HTML = (
    b"<!doctype html><html><head><title>502 Server Error</title></head><body><h1>Error: Server Error</h1></body></html>"
)
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Wire:
    """The parts of the connection that a fault needs. `send` writes a complete response; `head` returns its status line
    and headers."""

    connection: socket.socket
    send: Callable[[Answer], None]
    head: Callable[[Answer, int], bytes]


def deliver(world: SandboxState, fault: Fault, request: Request, wire: Wire) -> int:
    """Returns the status that the caller saw, 0 for none. The connection is closed afterwards unless it was a plain
    response."""
    real: Answer | None = None
    generation = world.faults.generation
    if fault.fault == "pause" and fault.when == "before":
        world.faults.held(30 if fault.seconds is None else fault.seconds, generation)
    if fault.when == "late":
        refused = delayed_writes.postpone(world, request, fault.late_seconds)
        if refused is not None:
            wire.send(refused)
            return refused.status
    elif fault.when == "after" or fault.fault == "pause" or request.method == "GET":
        real = app.answer(world, request)
    if fault.fault == "pause" and fault.when == "after":
        world.faults.held(30 if fault.seconds is None else fault.seconds, generation)
    return speak(world, fault, generation, wire, real or Answer({"status": "ok"}))


def speak(world: SandboxState, fault: Fault, generation: int, wire: Wire, real: Answer) -> int:
    connection = wire.connection
    match fault.fault:
        case "hang":
            hang(world, 600 if fault.seconds is None else fault.seconds, generation, connection)
        case "reset":
            # Zero linger: the kernel sends RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "not_http":
            connection.sendall(b"\x16\x03\x01 SSH-2.0 this is no HTTP\r\n\x00\xff\xfe\r\n\r\n")
        case "drip":
            answer = scripted(fault, real)
            connection.sendall(wire.head(answer, len(answer.payload())))
            for byte in answer.payload():
                if world.faults.held(0.5 if fault.seconds is None else fault.seconds, generation):
                    break
                connection.sendall(bytes([byte]))
            return answer.status
        case "truncate":
            answer = scripted(fault, real)
            payload = answer.payload() + b" " * 16  # so that even half of an empty body is too short
            connection.sendall(wire.head(answer, len(payload)) + payload[: len(payload) // 2])
            return answer.status
        case "huge":
            size = fault.size or 1 << 30
            answer = Answer(status=fault.status or 200, headers=fault.headers)
            connection.sendall(wire.head(answer, size))
            pour(connection, b" " * MEGABYTE, size // MEGABYTE)
            return answer.status
        case "gzip_bomb":
            return explode(fault, wire)
        case _:
            answer = scripted(fault, real)
            wire.send(answer)
            return answer.status
    return 0


def scripted(fault: Fault, real: Answer) -> Answer:
    """The response of a fault that is still HTTP. Scripted values take precedence."""
    if fault.fault in ("pause", "drip", "truncate", "edit") and not reported(fault):
        return real
    if fault.raw is not None:
        return Answer(raw=fault.raw, status=fault.status or 200, headers=fault.headers)
    match fault.fault:
        case "garbage":
            answer = Answer(raw=b'{"agents": [{"agent_id": "agent_', status=fault.status or 200)
        case "empty":
            answer = Answer(raw=b"", status=fault.status or 200)
        case "html":
            answer = Answer(raw=HTML, status=fault.status or 200, content_type="text/html; charset=UTF-8")
        case "edit":
            answer = Answer(edited(real, fault), status=fault.status or real.status)
        case _:
            status = fault.status or (200 if fault.fault in ("drip", "truncate") else 500)
            answer = default_answer(status) if fault.body is None else Answer(fault.body, status=status)
    answer.headers = {**answer.headers, **fault.headers}
    return answer


def reported(fault: Fault) -> bool:
    return fault.status is not None or fault.body is not None or fault.raw is not None


def default_answer(status: int) -> Answer:
    if status < 400:
        return Answer({}) if status < 300 else Answer(raw=b"", status=status)
    return sample(status).answer("0" * 32)


def edited(real: Answer, fault: Fault) -> object:
    """The real response with some top-level fields replaced, e.g. `{"has_more": true, "next_cursor": null}`."""
    if isinstance(real.content, dict) and isinstance(fault.body, dict):
        return {**real.content, **fault.body}
    return fault.body


def hang(world: SandboxState, seconds: float, generation: int, connection: socket.socket) -> None:
    """Returns when the script is cleared, the time is over, or the caller has hung up."""
    end = time.monotonic() + seconds
    while (remaining := end - time.monotonic()) > 0:
        if world.faults.held(min(remaining, 0.25), generation):
            return
        readable, _, _ = select.select([connection], [], [], 0)
        if readable and not connection.recv(1, socket.MSG_PEEK):
            return


def pour(connection: socket.socket, piece: bytes, times: int) -> None:
    for _ in range(max(times, 1)):
        connection.sendall(piece)


def explode(fault: Fault, wire: Wire) -> int:
    """Gzip of spaces only. After a full flush the same megabyte compresses to the same bytes, so it is compressed once
    and sent many times; the final checksum is never sent."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    times = max((fault.size or 10 << 30) // MEGABYTE, 1)
    answer = Answer(status=fault.status or 200, headers={"content-encoding": "gzip", **fault.headers})
    wire.connection.sendall(wire.head(answer, len(start) + len(piece) * times) + start)
    pour(wire.connection, piece, times)
    return answer.status
