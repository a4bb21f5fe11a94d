"""Simultaneous attempts count as if they were made one after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from controlplane.audit.models import Entry
from tests.sign_in.conftest import PASSWORD, page, words


@pytest.mark.django_db(transaction=True)
def test_no_more_passwords_are_hashed_than_the_limit(ada, hashed, time_machine):
    before = hashed()
    statuses = at_once(14, lambda: page("ada").status_code)
    assert sorted(statuses) == [200] * 10 + [429] * 4
    assert hashed() - before == 10
    assert Entry.objects.filter(kind="person.failed").count() == 10
    assert len(words()) == 1

    time_machine.shift(900)
    assert at_once(8, lambda: page("ada", PASSWORD).status_code) == [302] * 8
    assert words()[1:] == [("ada", "4 more sign-ins from 192.0.2.1 were refused while it was locked")]


def at_once(count: int, what: Callable[[], int]) -> list[int]:
    barrier = Barrier(count)

    def one() -> int:
        barrier.wait()
        try:
            return what()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(one) for _ in range(count)]]
