"""The sandbox in the test process: the same application without a second process or a socket.

Calls go directly to the application. Only while a fault is scripted or latency is set do they use HTTP, to a server in
this process with the same state, so that the sandbox's own code produces the faults. Other processes reach that server
by its URL, like a separate sandbox.
"""

import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from controlplane.elevenlabs import connection
from controlplane.sandbox import app, delayed_writes, http_server, storage
from controlplane.sandbox.messages import Request
from controlplane.sandbox.state import SandboxState
from tests.sandbox_process import Sandbox


def real_time() -> float:
    """Tests may move the clock of this process, but only `advance` moves the sandbox's clock."""
    return time_machine.escape_hatch.time.time() if time_machine.escape_hatch.is_travelling() else time.time()


class RealClockState(storage.Storage):
    def now(self) -> float:
        return real_time() + self.clock_offset


class RealClockHandler(http_server.Handler):
    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(real_time(), usegmt=True)


class InProcess(HTTPAdapter):
    """An adapter that passes requests to the application in this process."""

    def __init__(self, world: SandboxState) -> None:
        super().__init__()
        self.world = world

    def needs_wire(self, request: requests.PreparedRequest) -> bool:
        is_control = urlsplit(request.url or "").path.startswith("/_sandbox/")
        return not is_control and bool(self.world.faults.waiting or self.world.settings.latency_ms)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if self.needs_wire(request):
            return super().send(request, *args, **options)
        parts = urlsplit(request.url or "")
        query = parse_qs(parts.query, keep_blank_values=True)
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        parsed = Request(
            request.method or "", parts.path, query, request.headers, body, base_url=f"{parts.scheme}://{parts.netloc}"
        )
        if (flight := connection._here.flight) is not None:
            flight.engaged = flight.sent = True
        delayed_writes.apply_due(self.world)
        if parts.path.startswith("/_sandbox/"):
            return self.response(request, parsed, app.answer(self.world, parsed))
        arrival = self.world.calls.arrived(parsed.method, parsed.path, parsed.query_text, parsed.trace_id)
        answer = None
        try:
            answer = app.answer(self.world, parsed)
        finally:
            self.world.calls.ended(arrival, answer.status if answer else 0)
        return self.response(request, parsed, answer)

    def response(self, request: requests.PreparedRequest, parsed: Request, answer: Any) -> requests.Response:
        payload = answer.payload()
        headers: Mapping[str, str] = {
            "content-type": answer.content_type,
            "content-length": str(len(payload)),
            "date": formatdate(real_time(), usegmt=True),
            "x-trace-id": parsed.trace_id,
            **answer.headers,
        }
        raw = HTTPResponse(
            BytesIO(payload), headers=headers, status=answer.status, preload_content=False, request_method=parsed.method
        )
        return self.build_response(request, raw)


class SandboxInProcess(Sandbox):
    """The control surface of `Sandbox`, on a state in this process."""

    def start(self, storage: Path, *args: str) -> Self:
        assert not args, "switches: use settings()"
        self.world = SandboxState(RealClockState(storage), {})
        self.server = http_server.Server(("127.0.0.1", 0), self.world)
        self.server.RequestHandlerClass = RealClockHandler
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.adapter = InProcess(self.world)
        self.session.mount(self.url, self.adapter)
        return self

    def serve_clients(self, patch: pytest.MonkeyPatch) -> None:
        """Connect the product's client to this sandbox without a socket. Other URLs are not affected."""
        send = connection.Adapter.send
        prefix, adapter = self.url + "/", self.adapter

        def send_here(
            socket_adapter: connection.Adapter, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            if (request.url or "").startswith(prefix) and not adapter.needs_wire(request):
                return adapter.send(request, **options)
            return send(socket_adapter, request, **options)

        patch.setattr(connection.Adapter, "send", send_here)

    def stop(self) -> int:
        self.session.close()
        self.world.faults.clear()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        self.world.state.close()
        return 0
