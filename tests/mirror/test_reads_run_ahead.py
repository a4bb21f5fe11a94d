"""Pages are requested while earlier ones are processed, up to a limit, and no longer once the consumer has stopped."""

from collections.abc import Iterator
from datetime import datetime
from threading import Event
from typing import Any

import pytest

from controlplane.elevenlabs import BadShape
from controlplane.mirror import fetch

pytestmark = pytest.mark.django_db(transaction=True)

IN_TIME = 30  # seconds


class Listing:
    """Pages 1, 2, 3 …, with an event for each that is set when it is requested."""

    def __init__(self, pages: int, ends_with: Exception | None = None) -> None:
        self.requested = [Event() for _ in range(pages + 1)]
        self.ends_with = ends_with

    def __iter__(self) -> Iterator[int]:
        for at, event in enumerate(self.requested[1:], start=1):
            event.set()
            yield at
        if self.ends_with is not None:
            raise self.ends_with

    def count(self) -> int:
        return sum(event.is_set() for event in self.requested)


def nothing() -> None:
    pass


def numbers_of(pages: Iterator[list[tuple[datetime, int]]]) -> list[int]:
    return [number for together in pages for _, number in together]


@pytest.fixture(params=[1, 2, 3])
def width(request: Any, settings: Any) -> int:
    settings.ELEVENLABS_MAX_CONCURRENCY = request.param
    return int(request.param)


@pytest.fixture
def two(settings: Any) -> None:
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


def test_every_page_comes_once_in_order_with_the_moment_before_it(width: int) -> None:
    with fetch.thread_pool():
        pages = [page for together in fetch.pages(iter(Listing(40)), nothing) for page in together]
    assert [number for _, number in pages] == list(range(1, 41))
    assert [moment for moment, _ in pages] == sorted(moment for moment, _ in pages)


def test_the_pages_before_an_error_come_first(width: int) -> None:
    got: list[int] = []

    def read() -> None:
        for together in fetch.pages(iter(Listing(3, BadShape("half way"))), nothing):
            got.extend(number for _, number in together)

    with fetch.thread_pool(), pytest.raises(BadShape, match="half way"):
        read()
    assert got == [1, 2, 3]


@pytest.mark.usefixtures("two")
def test_pages_are_read_while_something_else_is_done_first() -> None:
    listing = Listing(5)
    done = []

    def meanwhile() -> None:
        done.append(listing.requested[3].wait(IN_TIME))

    with fetch.thread_pool():
        assert numbers_of(fetch.pages(iter(listing), meanwhile)) == [1, 2, 3, 4, 5]
    assert done == [True]


@pytest.mark.usefixtures("two")
def test_waiting_pages_come_together_and_their_number_is_limited() -> None:
    listing = Listing(100)
    sizes: list[int] = []
    with fetch.thread_pool():
        for together in fetch.pages(iter(listing), nothing):
            sizes.append(len(together))
            worked_on = sum(sizes)
            assert listing.requested[min(worked_on + fetch.MAX_PREFETCHED + 1, 100)].wait(IN_TIME)  # the buffer is full
            assert listing.count() == min(worked_on + fetch.MAX_PREFETCHED + 1, 100)
    assert sum(sizes) == 100
    assert set(sizes[1:-1]) == {fetch.BATCH_PAGES}


@pytest.mark.usefixtures("two")
def test_a_consumer_that_stops_early_stops_the_reading() -> None:
    listing = Listing(100)
    with fetch.thread_pool():
        pages = fetch.pages(iter(listing), nothing)
        [*_, (_, last)] = next(pages)
        assert listing.requested[last + fetch.MAX_PREFETCHED + 1].wait(IN_TIME)  # the buffer is full
        pages.close()  # type: ignore[attr-defined]
        requested = listing.count()
        assert numbers_of(fetch.pages(iter(Listing(3)), nothing)) == [1, 2, 3]  # the threads are available again
    assert listing.count() == requested == last + fetch.MAX_PREFETCHED + 1


@pytest.mark.usefixtures("two")
def test_an_error_in_the_consumer_ends_the_reading() -> None:
    listing = Listing(100)

    def meanwhile() -> None:
        assert listing.requested[fetch.MAX_PREFETCHED + 1].wait(IN_TIME)
        raise ZeroDivisionError

    with fetch.thread_pool(), pytest.raises(ZeroDivisionError):
        numbers_of(fetch.pages(iter(listing), meanwhile))
    assert listing.count() == fetch.MAX_PREFETCHED + 1
