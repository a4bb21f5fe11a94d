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
_threads_of_the_run: ContextVar[ThreadPoolExecutor] = ContextVar("threads of the run")

HEAD_START_S = 0.004  # seconds; an answer takes five times as long
SWITCH_INTERVAL_S = (
    0.0005  # seconds that an answer waits for Python while rows are stored; it waits several times for each
)
BATCH_PAGES = 4  # pages that are worked on at once where it takes longer to store than to read them
MAX_PREFETCHED = 8  # answers that may wait for their turn: enough to keep the calls busy, few enough to hold in memory


def width() -> int:
    """How many reads of a sync are under way at once."""
    return int(settings.ELEVENLABS_MAX_CONCURRENCY)


def pages(listing: Iterator[Item], meanwhile: Callable[[], None]) -> Iterator[list[tuple[datetime, Item]]]:
    """All pages, those together that are there already, each with the moment before it was asked for. The next ones are
    read while these are worked on, and the first ones while `meanwhile` is done.

    Where pages are waited for, the next request goes out first: Python runs one thread at a time, and the work here
    would hold it up.
    """
    if width() == 1:
        meanwhile()
        while (page := _next(listing)) is not None:
            yield [page]
        return
    ready: Queue[tuple[datetime, Item] | None] = Queue(MAX_PREFETCHED)
    over = Event()
    with _submit() as submit:
        reading = submit(_read_on, listing, ready, over)
        try:
            meanwhile()
            last = False
            while not last:
                is_waited_for = ready.empty()
                some = [ready.get()]
                if is_waited_for:
                    wait([reading], HEAD_START_S)
                while some[-1] is not None and len(some) < BATCH_PAGES and not ready.empty():
                    some.append(ready.get())
                last = some[-1] is None
                if found := [page for page in some if page is not None]:
                    yield found
            reading.result()
        finally:
            over.set()
            _make_room(ready)


def _read_on(listing: Iterator[Item], ready: "Queue[tuple[datetime, Item] | None]", over: Event) -> None:
    """Page after page, without a pause; None comes last, also before an error."""
    try:
        while not over.is_set() and (page := _next(listing)) is not None:
            ready.put(page)
    finally:
        ready.put(None)


def _make_room(ready: "Queue[Any]") -> None:
    """For whoever waits to put one thing in, and for the None after it."""
    with suppress(Empty):
        while True:
            ready.get_nowait()


def each(
    items: Iterable[Item], read: Callable[[Item], Answer]
) -> Iterator[tuple[Item, datetime, Answer | ElevenLabsError]]:
    """`read` for each item, in order, with the moment before it was asked for; its error is its answer."""

    def attempt(item: Item) -> tuple[Item, datetime, Answer | ElevenLabsError]:
        asked_at = timezone.now()
        try:
            return item, asked_at, read(item)
        except ElevenLabsError as error:
            return item, asked_at, error

    if width() == 1:
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
    """Those that read for one run. Each has a connection to the database (a slot may be a lock in there), which takes
    longer to open than a page to read: so they stay until the run ends."""
    with ThreadPoolExecutor(width(), thread_name_prefix="read") as pool:
        before = _threads_of_the_run.set(pool)
        if width() > 1:  # meanwhile the run asks which workspace this is
            _in_each_thread(pool, connection.ensure_connection)
        patience = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            yield
        finally:
            sys.setswitchinterval(patience)
            _threads_of_the_run.reset(before)
            _in_each_thread(pool, connections.close_all)


@contextmanager
def _submit() -> Iterator[Submit]:
    """A way to have calls made. What has not begun when the block is left is not made any more."""
    pool = _threads_of_the_run.get()
    over = Event()
    asked: list[Future[Any]] = []

    def make(call: Callable[..., Any], *args: Any) -> Any:
        return None if over.is_set() else call(*args)

    def submit(call: Callable[..., Any], *args: Any) -> Future[Any]:
        asked[:] = [one for one in asked if not one.done()]
        asked.append(pool.submit(make, call, *args))
        return asked[-1]

    try:
        yield submit
    finally:
        over.set()
        wait(asked)


def _in_each_thread(pool: ThreadPoolExecutor, deed: Callable[[], None]) -> None:
    """Soon, and once: the barrier gives each thread exactly one. A connection that cannot be opened now is tried again
    by the first read, which says so."""
    together = Barrier(width())

    def once() -> None:
        together.wait()
        deed()

    for _ in range(width()):
        pool.submit(once)
