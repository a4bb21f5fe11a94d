"""The HTTP server: one thread for each connection, with keep-alive."""

import re
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from . import app, delayed_writes
from .errors import current, plain
from .fault_injection import Wire, deliver
from .messages import Answer, Request, new_trace_id
from .state import SandboxState

BODY_CAP = 16 << 20
HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
REASONS = {status.value: status.phrase for status in HTTPStatus}


class Server(ThreadingHTTPServer):
    daemon_threads = True  # a hanging call must not keep the process alive
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], world: SandboxState) -> None:
        self.world = world
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        # The base class resolves its own host name here, which takes seconds without DNS.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a caller that hangs up is not our error
            sys.stderr.write(f"sandbox: {type(error).__name__} on a connection\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def answer_call(self) -> None:
        request = self.read_request()
        if request is None:
            return
        world = self.server.world
        delayed_writes.apply_due(world)
        if request.path.startswith("/_sandbox/"):
            self.write(app.answer(world, request), request.trace_id)
            return
        arrival = world.calls.arrived(request.method, request.path, request.query_text, request.trace_id)
        status = 0
        try:
            if world.settings.latency_ms:
                time.sleep(world.settings.latency_ms / 1000)
            fault = world.faults.take(request)
            if fault is None:
                answer = app.answer(world, request)
                status = answer.status
                world.calls.ended(arrival, status)  # before the caller receives it and can send the next call
                self.write(answer, request.trace_id)
                return
            arrival.fault = f"{fault.fault} {fault.when}"

            def send(answer: Answer) -> None:
                world.calls.ended(arrival, answer.status)
                self.write(answer, request.trace_id)

            wire = Wire(
                self.connection,
                send=send,
                head=lambda answer, length: self.head(answer, length, request.trace_id),
            )
            if fault.fault not in ("status", "pause", "empty", "html", "garbage", "edit"):
                self.close_connection = True
            status = deliver(world, fault, request, wire)
        finally:
            world.calls.ended(arrival, status)

    # Method names expected by the base class.
    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_OPTIONS = answer_call  # noqa: N815

    def read_request(self) -> Request | None:
        if "transfer-encoding" in self.headers:
            self.refuse(plain(411, "Length Required").answer(""))
            return None
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            self.refuse(plain(400, "Invalid HTTP request received.").answer(""))
            return None
        if int(length) > BODY_CAP:
            too_large = current(413, "invalid_request", "request_too_large", "The request body is too large.")
            self.refuse(too_large.answer(new_trace_id()))
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        path, _, query_text = self.path.partition("?")
        host = self.headers.get("host", "")
        address = host if HOST.fullmatch(host) else "{}:{}".format(*self.server.server_address[:2])
        query = parse_qs(query_text, keep_blank_values=True) if query_text else {}
        return Request(self.command, path, query, self.headers, body, base_url=f"http://{address}")

    def refuse(self, answer: Answer) -> None:
        """The request body is left unread, so the connection cannot be reused."""
        self.close_connection = True
        self.write(answer, new_trace_id())

    def write(self, answer: Answer, trace_id: str) -> None:
        payload = answer.payload()
        head = self.head(answer, len(payload), trace_id)
        self.wfile.write(head if self.command == "HEAD" else head + payload)

    def head(self, answer: Answer, length: int, trace_id: str) -> bytes:
        lines = [
            f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}",
            "server: uvicorn",
            f"date: {self.date_time_string()}",
            f"content-type: {answer.content_type}",
            f"x-trace-id: {trace_id}",
            "x-region: sandbox",
            "access-control-allow-origin: *",
        ]
        if answer.status != HTTPStatus.NO_CONTENT:
            lines.append(f"content-length: {length}")
        if self.close_connection:
            lines.append("connection: close")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For malformed HTTP: the base class would send a page that names Python."""
        self.close_connection = True
        self.command = getattr(self, "command", "") or "GET"
        self.write(plain(int(code), "Invalid HTTP request received.").answer(""), new_trace_id())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter name is the base class's
        """Logs nothing: `/_sandbox/calls` is the log, and it contains no bodies."""
