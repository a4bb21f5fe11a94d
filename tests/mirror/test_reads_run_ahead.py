"""A page is asked for while the ones before it are worked on: not without end, and not after the reader has left."""

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
    """Pages 1, 2, 3 …; an event for each says that it was asked for."""

    def __init__(self, pages: int, ends_with: Exception | None = None) -> None:
        self.asked = [Event() for _ in range(pages + 1)]
        self.ends_with = ends_with

    def __iter__(self) -> Iterator[int]:
        for at, asked in enumerate(self.asked[1:], start=1):
            asked.set()
            yield at
        if self.ends_with is not None:
            raise self.ends_with

    def count(self) -> int:
        return sum(asked.is_set() for asked in self.asked)


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
        done.append(listing.asked[3].wait(IN_TIME))

    with fetch.thread_pool():
        assert numbers_of(fetch.pages(iter(listing), meanwhile)) == [1, 2, 3, 4, 5]
    assert done == [True]


@pytest.mark.usefixtures("two")
def test_those_that_wait_come_together_and_are_no_more_than_memory_should_hold() -> None:
    listing = Listing(100)
    sizes: list[int] = []
    with fetch.thread_pool():
        for together in fetch.pages(iter(listing), nothing):
            sizes.append(len(together))
            worked_on = sum(sizes)
            assert listing.asked[min(worked_on + fetch.MAX_PREFETCHED + 1, 100)].wait(IN_TIME)  # now so many wait
            assert listing.count() == min(worked_on + fetch.MAX_PREFETCHED + 1, 100)
    assert sum(sizes) == 100
    assert set(sizes[1:-1]) == {fetch.BATCH_PAGES}


@pytest.mark.usefixtures("two")
def test_who_leaves_early_leaves_nobody_reading() -> None:
    listing = Listing(100)
    with fetch.thread_pool():
        pages = fetch.pages(iter(listing), nothing)
        [*_, (_, last)] = next(pages)
        assert listing.asked[last + fetch.MAX_PREFETCHED + 1].wait(IN_TIME)  # it waits for room now
        pages.close()  # type: ignore[attr-defined]
        asked = listing.count()
        assert numbers_of(fetch.pages(iter(Listing(3)), nothing)) == [1, 2, 3]  # the threads are free again
    assert listing.count() == asked == last + fetch.MAX_PREFETCHED + 1


@pytest.mark.usefixtures("two")
def test_what_goes_wrong_meanwhile_ends_the_reading() -> None:
    listing = Listing(100)

    def meanwhile() -> None:
        assert listing.asked[fetch.MAX_PREFETCHED + 1].wait(IN_TIME)
        raise ZeroDivisionError

    with fetch.thread_pool(), pytest.raises(ZeroDivisionError):
        numbers_of(fetch.pages(iter(listing), meanwhile))
    assert listing.count() == fetch.MAX_PREFETCHED + 1
