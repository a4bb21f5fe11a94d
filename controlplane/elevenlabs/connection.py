"""HTTP connections with a deadline for the whole call, which know whether any byte of a request was sent.

The timeout of requests applies to each read: a response that drips in slowly outlives it, in its headers as in its
body. So a watchdog shuts down the socket during the call. It must be `socket.socket.shutdown`: the method of an SSL
socket would drop the encryption while another thread is reading.
"""

import socket
import threading
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from . import base_url, watchdog


class CallDeadline:
    """One attempt at a call, from name resolution to the last byte of the response."""

    def __init__(self, seconds: float) -> None:
        self.ends = monotonic() + seconds
        self.engaged = False  # one of our connections was used, so `sent` is reliable
        self.sent = False  # the first byte of the request was passed to the network
        self.timed_out = False
        self._over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def left(self) -> float:
        return self.ends - monotonic()

    def holds(self, sock: socket.socket) -> None:
        with self._lock:
            self._socket = sock

    def _expire(self) -> None:
        with self._lock:  # after the call, the socket may serve the next one
            if self._over:
                return
            self.timed_out = True
            if self._socket is not None:
                with suppress(OSError):  # it may be closed already
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        watchdog.at(self.ends, self._expire)
        _here.flight = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            self._over = True
            self._socket = None
        _here.flight = None


class _Here(threading.local):
    flight: CallDeadline | None = None


_here = _Here()


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """As in urllib3, but within the remaining time of the deadline, shared among all addresses of the name."""
        flight = _here.flight or CallDeadline(10)
        flight.engaged = True
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        failure: Exception = NewConnectionError(self, "no address of this name may be used")
        for tried, (family, kind, protocol, _, where) in enumerate(found):
            if not base_url.may_connect(self.host, str(where[0])):
                continue
            seconds = flight.left() / (len(found) - tried)
            if seconds <= 0:
                raise ConnectTimeoutError(self, "no time left to connect")
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(seconds)
                sock.connect(where)
                sock.settimeout(max(flight.left(), 0.001))  # applies to a TLS handshake as a whole
            except OSError as error:
                if sock is not None:
                    sock.close()
                late = isinstance(error, TimeoutError)
                failure = ConnectTimeoutError(self, "timed out") if late else NewConnectionError(self, "refused")
            else:
                return sock
        raise failure

    def send(self, data: Any) -> None:
        flight = _here.flight
        if self.sock is None:
            self.connect()
        if flight is not None and self.sock is not None:
            if not flight.sent and flight.left() <= 0:
                raise ConnectTimeoutError(self, "no time left to send")
            flight.engaged = flight.sent = True
            flight.holds(self.sock)
        super().send(data)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class Adapter(HTTPAdapter):
    """Never retries: urllib3's retries are off unless an adapter enables them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
