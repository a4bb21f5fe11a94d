"""A remote made of one socket: each test scripts what it does with a connection. Nothing leaves 127.0.0.1."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from controlplane.elevenlabs import ElevenLabs, transport, watchdog

KEY = "sk_0123456789abcdef0123456789abcdef0123456789abcdef"
PATIENCE = 20  # seconds after which a server gives up waiting for its test, so that a fault cannot hang the suite
PAGE = b'{"agents": [], "has_more": false, "next_cursor": null}'
MADE = b'{"agent_id": "agent_1"}'


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]


class Wire:
    """One accepted connection, as the script of a test sees it."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self.kept = b""

    def take(self) -> Request | None:
        """Read and record the next request; None if the client has closed the connection."""
        while b"\r\n\r\n" not in self.kept:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.kept += got
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in rest)}
        length = int(headers.get("content-length", "0"))
        while len(self.kept) < length:
            self.kept += self.sock.recv(65536)
        request = Request(line, headers, self.kept[:length])
        self.kept = self.kept[length:]
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> None:
        self.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def drip(self, piece: bytes) -> None:
        """Send the same bytes repeatedly until the client gives up."""
        for _ in range(3):
            self.send(piece)
        self.server.stuck()
        while not self.server.over.wait(0.03):
            self.send(piece)

    def hang(self) -> None:
        self.server.stuck()
        self.server.over.wait(PATIENCE)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


@dataclass
class Server:
    script: Callable[[Wire], None]
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    wrap: Callable[[socket.socket], socket.socket] | None = None
    stuck: Callable[[], None] = lambda: None  # called once a script only keeps its client waiting
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread(self._accept)

    def _thread(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(PATIENCE)
            self._thread(lambda sock=sock: self._serve(sock))

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if self.wrap is not None:
                sock = self.wrap(sock)
            self.script(Wire(self, sock))
        with suppress(OSError):
            sock.close()

    def stop(self) -> None:
        self.over.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(PATIENCE)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """`serve(script)`: the script runs for every connection."""
    running: list[Server] = []

    def make(script: Callable[[Wire], None], **options: object) -> Server:
        server = Server(script, **options)  # type: ignore[arg-type]
        running.append(server)
        server.start()
        return server

    yield make
    transport._adapter().close()
    for server in running:
        server.stop()


@pytest.fixture
def client_of() -> Callable[..., ElevenLabs]:
    """A client with short deadlines that does not really wait between retries; `client.waits` lists the waits."""

    def make(server_or_url: Server | str, *, deadline: float = 5.0, patience: float = 45.0, key: str = KEY):
        url = server_or_url if isinstance(server_or_url, str) else server_or_url.url
        waits: list[float] = []
        client = ElevenLabs.with_transport(
            transport.Transport(
                url, key, read_deadline=deadline, write_deadline=deadline, patience=patience, sleep=waits.append
            )
        )
        client.waits = waits  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def deadlines_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the deadline of every running call expire immediately, so that no test has to wait or to be fast."""
    expiries: list[Callable[[], None]] = []
    monkeypatch.setattr(watchdog, "at", lambda _, expire: expiries.append(expire))

    def pass_now() -> None:
        for expire in expiries:
            expire()

    return pass_now


@pytest.fixture(autouse=True)
def _only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def guarded(host: str | bytes | None, *args: object, **kwargs: object):
        assert host in {"127.0.0.1", "localhost", "::1"}, "a test tried to leave this machine"
        return real(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", guarded)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
