"""Sends HTTP requests: one deadline for each call, reads retried, writes sent once."""

import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from . import error_mapping, errors, wire_log
from .base_url import check_base_url, check_key
from .connection import Adapter, CallDeadline
from .error_mapping import Reply
from .errors import ElevenLabsError
from .traffic import Traffic, Unlimited

MAX_BODY_BYTES = 10 * 1024 * 1024  # after decoding
MAX_TRIES = 3
MAX_WAIT_S = 60.0
STALE_AFTER_S = 2.0  # seconds without a response after which a kept-alive connection is not used for a write

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What is recorded about one call, for the log, the operation and the report. `path` contains ids, never values."""

    method: str
    path: str
    status: int | None
    trace_id: str
    milliseconds: int
    tries: int  # 0: nothing was allowed to be sent


class _Key(AuthBase):
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["xi-api-key"] = self._key
        return request


_thread = threading.local()


class Transport:
    """`patience` is the time in seconds for all attempts and waits of one read; `urgent` means that a user is
    waiting."""

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        read_deadline: float = 20.0,
        write_deadline: float = 10.0,
        patience: float = 45.0,
        traffic: Traffic | None = None,
        urgent: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = check_base_url(base_url)
        check_key(self.base_url, key)
        self._key = _Key(key)
        self._read_deadline = read_deadline
        self._write_deadline = write_deadline
        self._patience = patience
        self._traffic: Traffic = traffic or Unlimited()
        self._urgent = urgent
        self._sleep = sleep
        self.calls: list[Call] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def read(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed JSON of a GET, with up to three attempts."""
        started = time.monotonic()
        tries, waited = 0, 0.0
        while True:
            left = self._patience - (time.monotonic() - started)
            answer, sent = self._acquire_and_send("GET", path, params, None, self._read_deadline, left)
            tries += sent
            result = _json(answer) if isinstance(answer, Reply) else answer
            wait = self._wait(result, tries, sent) if isinstance(result, ElevenLabsError) and result.retriable else None
            if wait is None or max(time.monotonic() - started, waited) + wait >= self._patience:
                break
            self._sleep(wait)
            waited += wait
        self._note(Call("GET", path, answer.status, _trace(answer), _since(started), tries))
        if isinstance(result, ElevenLabsError):
            raise result
        return result

    def write(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        answer_needed: bool = True,
    ) -> Any:
        """The parsed JSON of one attempt. Without `answer_needed` any success is accepted, and None is returned."""
        started = time.monotonic()
        answer, sent = self._acquire_and_send(method, path, params, body, self._write_deadline, self._write_deadline)
        body = None  # tracebacks show local variables
        result = _json(answer, needed=answer_needed) if isinstance(answer, Reply) else answer
        self._note(Call(method, path, answer.status, _trace(answer), _since(started), int(sent)))
        if isinstance(result, ElevenLabsError):
            raise result
        return result

    def _acquire_and_send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: dict[str, Any] | None,
        seconds: float,
        patience: float,
    ) -> tuple[Reply | ElevenLabsError, bool]:
        """One attempt as soon as it may be sent; or the error that prevented it, and False.

        At most half of the patience is spent waiting. A write has its full deadline after that: if the wait were
        deducted, a busy moment here would turn into a response that came too late, with an unknown result.
        """
        started = time.monotonic()
        try:
            with self._traffic.turn(method, urgent=self._urgent, seconds=patience / 2) as record_result:
                if method == "GET":
                    seconds = min(seconds, patience - (time.monotonic() - started))
                answer = self._attempt(method, path, params, body, seconds)
                record_result(answer if isinstance(answer, ElevenLabsError) else None)
        except ElevenLabsError as error:
            return error.with_traceback(None), False
        return answer, True

    def _attempt(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: dict[str, Any] | None, seconds: float
    ) -> Reply | ElevenLabsError:
        """Errors are returned, not raised, so that none carries the frames that held the key and the body."""
        adapter = _adapter()
        if method != "GET" and time.monotonic() - _thread.heard.get(self.base_url, -STALE_AFTER_S) > STALE_AFTER_S:
            adapter.close()  # the remote may be closing the kept-alive connection right now
        try:
            request = self._prepare(method, path, params, body)
        except (ValueError, TypeError, RecursionError, requests.RequestException):
            return errors.NotSent("These values cannot be sent to ElevenLabs.")
        reply: Reply | None = None
        failure: ElevenLabsError | None = None
        started = time.monotonic()
        with CallDeadline(seconds) as flight:
            try:
                reply = self._exchange(adapter, request, seconds)
            except ElevenLabsError as error:
                failure = error.with_traceback(None)
            except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
                failure = error_mapping.from_failure(error, flight, seconds=seconds)
        if flight.timed_out and failure is None:
            failure = errors.TimedOut(f"ElevenLabs did not answer within {seconds:.3g} seconds.")
        if flight.sent or reply is not None:
            wire_log.record(method, path, reply, 1000 * (time.monotonic() - started), body)
        if failure is not None or reply is None:
            adapter.close()
            return failure or errors.Unclear("ElevenLabs' answer could not be read.")
        _thread.heard[self.base_url] = time.monotonic()
        return reply if 200 <= reply.status < 300 else error_mapping.from_reply(reply, body)

    def _prepare(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: dict[str, Any] | None
    ) -> requests.PreparedRequest:
        data = None
        headers = {"User-Agent": "agent-control-plane", "Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            data = json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        request = requests.PreparedRequest()
        request.prepare(method, self.base_url + path, headers, data=data, params=params, auth=self._key)
        return request

    @staticmethod
    def _exchange(adapter: Adapter, request: requests.PreparedRequest, seconds: float) -> Reply:
        response = adapter.send(request, stream=True, timeout=seconds)
        try:
            body = bytearray()
            declared = response.headers.get("content-length", "")
            if declared.isdecimal() and int(declared[:20]) > MAX_BODY_BYTES:
                raise errors.BadShape("ElevenLabs' answer is larger than any answer should be.")
            for chunk in response.iter_content(64 * 1024):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise errors.BadShape("ElevenLabs' answer is larger than any answer should be.")
        except BaseException:
            with suppress(Exception):
                response.raw.close()  # a connection with a partial response cannot be reused
            raise
        return Reply(response.status_code, response.headers, bytes(body))

    def _wait(self, error: ElevenLabsError, tries: int, sent: bool) -> float | None:
        """Seconds before the next attempt; None if there is none. A request that was held back does not count as an
        attempt."""
        if tries >= MAX_TRIES or (not sent and error.retry_after is None):
            return None
        backoff: float = 0.5 * 2 ** max(tries - 1, 0) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        requested = (error.retry_after or 0.0) * random.uniform(1, 1.1)  # noqa: S311 - never earlier than requested
        return min(max(requested, backoff), MAX_WAIT_S)

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        log.debug(
            "%s %s -> %s in %d ms, tries %d, trace %s",
            call.method, call.path, call.status, call.milliseconds, call.tries, call.trace_id or "none",
        )  # fmt: skip


def _adapter() -> Adapter:
    """This thread's connections. After a fork the parent's are not used: two processes must not share a socket.

    A requests session is not used: it follows redirects, keeps cookies, and reads proxies, passwords and certificates
    from the environment, all of which would have to be switched off again.
    """
    if getattr(_thread, "process", None) != os.getpid():
        _thread.adapter, _thread.process = Adapter(), os.getpid()
        _thread.heard = {}  # base URL -> when a response was last read completely
    adapter = _thread.adapter
    assert isinstance(adapter, Adapter)  # noqa: S101 - for the type checker
    return adapter


def _json(reply: Reply, *, needed: bool = True) -> Any:
    """The body's JSON, or a BadShape."""
    context = {"status": reply.status, "trace_id": reply.trace_id()}
    if not needed and not reply.body.strip():
        return None
    if needed and reply.status not in {200, 201}:
        return errors.BadShape(f"ElevenLabs gave an unexpected answer (status {reply.status}).", **context)  # type: ignore[arg-type]
    try:
        data = json.loads(reply.body, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return errors.BadShape("ElevenLabs' answer is empty or not JSON.", **context)  # type: ignore[arg-type]
    return data if needed else None


def _whole_number(digits: str) -> int | float:
    """Python refuses to parse thousands of digits. A row with such a number must not invalidate the whole page."""
    return int(digits) if len(digits) < 1000 else float("inf")


def _trace(answer: Reply | ElevenLabsError) -> str:
    return answer.trace_id() if isinstance(answer, Reply) else answer.trace_id


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
