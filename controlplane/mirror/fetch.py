"""Prefetches remote reads in threads. The threads never touch the database."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from queue import Empty, Queue
from threading import Barrier, Event
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from controlplane.elevenlabs import ElevenLabsError

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Submit = Callable[..., Future[Any]]
_thread_pool: ContextVar[ThreadPoolExecutor] = ContextVar("threads of the run")

HEAD_START_S = 0.004  # a response takes five times as long
# How long a response waits for the GIL while rows are stored. Each response waits several times.
SWITCH_INTERVAL_S = 0.0005
BATCH_PAGES = 4  # processed together if storing pages takes longer than reading them
MAX_PREFETCHED = 8  # responses in the queue: enough to keep the connections busy, few enough to hold in memory


def max_concurrency() -> int:
    """The maximum number of concurrent reads of a sync."""
    return int(settings.ELEVENLABS_MAX_CONCURRENCY)


def pages(listing: Iterator[Item], meanwhile: Callable[[], None]) -> Iterator[list[tuple[datetime, Item]]]:
    """Yields (time just before the request, page) for each page, in lists of the pages that have arrived.

    The next pages are read while the caller processes these, and the first ones while `meanwhile` runs. If the caller
    had to wait for a page, the next request gets a head start: Python runs one thread at a time, and processing the
    page would delay the request.
    """
    if max_concurrency() == 1:
        meanwhile()
        while (page := _next(listing)) is not None:
            yield [page]
        return
    ready: Queue[tuple[datetime, Item] | None] = Queue(MAX_PREFETCHED)
    stop = Event()
    with _submit() as submit:
        reading = submit(_read_pages, listing, ready, stop)
        try:
            meanwhile()
            last = False
            while not last:
                had_to_wait = ready.empty()
                batch = [ready.get()]
                if had_to_wait:
                    wait([reading], HEAD_START_S)
                while batch[-1] is not None and len(batch) < BATCH_PAGES and not ready.empty():
                    batch.append(ready.get())
                last = batch[-1] is None
                if pages_read := [page for page in batch if page is not None]:
                    yield pages_read
            reading.result()
        finally:
            stop.set()
            _drain(ready)


def _read_pages(listing: Iterator[Item], ready: "Queue[tuple[datetime, Item] | None]", stop: Event) -> None:
    """Puts each page into the queue, then None. The None also comes before an error."""
    try:
        while not stop.is_set() and (page := _next(listing)) is not None:
            ready.put(page)
    finally:
        ready.put(None)


def _drain(ready: "Queue[Any]") -> None:
    """Makes room for a reader that is blocked in `put`, and for its final None."""
    with suppress(Empty):
        while True:
            ready.get_nowait()


def read_each(
    items: Iterable[Item], read: Callable[[Item], Answer]
) -> Iterator[tuple[Item, datetime, Answer | ElevenLabsError]]:
    """Yields (item, time just before the request, result of `read` or the error that it raised), in order."""

    def attempt(item: Item) -> tuple[Item, datetime, Answer | ElevenLabsError]:
        asked_at = timezone.now()
        try:
            return item, asked_at, read(item)
        except ElevenLabsError as error:
            return item, asked_at, error

    if max_concurrency() == 1:
        yield from map(attempt, items)
        return
    waiting: deque[Future[tuple[Item, datetime, Answer | ElevenLabsError]]] = deque()
    with _submit() as submit:
        for item in items:
            waiting.append(submit(attempt, item))
            if len(waiting) >= MAX_PREFETCHED:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _next(listing: Iterator[Item]) -> tuple[datetime, Item] | None:
    asked_at = timezone.now()
    page = next(listing, None)
    return None if page is None else (asked_at, page)


@contextmanager
def thread_pool() -> Iterator[None]:
    """The reader threads of one run.

    Each has a connection to the database, because the slot of a request may be a database lock. Opening a connection
    takes longer than reading a page, so the threads are kept until the run ends.
    """
    with ThreadPoolExecutor(max_concurrency(), thread_name_prefix="read") as pool:
        token = _thread_pool.set(pool)
        if max_concurrency() > 1:  # the connections open while the run reads which workspace this is
            _in_each_thread(pool, connection.ensure_connection)
        switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            yield
        finally:
            sys.setswitchinterval(switch_interval)
            _thread_pool.reset(token)
            _in_each_thread(pool, connections.close_all)


@contextmanager
def _submit() -> Iterator[Submit]:
    """A `submit` for the run's threads. Calls that have not started when the block ends are skipped."""
    pool = _thread_pool.get()
    stop = Event()
    pending: list[Future[Any]] = []

    def make(call: Callable[..., Any], *args: Any) -> Any:
        return None if stop.is_set() else call(*args)

    def submit(call: Callable[..., Any], *args: Any) -> Future[Any]:
        pending[:] = [future for future in pending if not future.done()]
        pending.append(pool.submit(make, call, *args))
        return pending[-1]

    try:
        yield submit
    finally:
        stop.set()
        wait(pending)


def _in_each_thread(pool: ThreadPoolExecutor, function: Callable[[], None]) -> None:
    """Schedules `function` once in each thread; the barrier keeps a thread from running it twice.

    Errors are ignored. A connection that cannot be opened now is opened by the first read, which reports the error.
    """
    barrier = Barrier(max_concurrency())

    def once() -> None:
        barrier.wait()
        function()

    for _ in range(max_concurrency()):
        pool.submit(once)
