"""A sync could read its rows again, so its commits do not wait for the disk. Only the end of the run does."""

from typing import Any

import pytest
from django.db import connection, transaction

from controlplane.mirror import runs
from controlplane.mirror.models import SyncRun
from numbers.sync import sync_all

WAITS = {"sqlite": 2, "postgresql": "on"}  # 2: FULL, 1: NORMAL
DOES_NOT = {"sqlite": 1, "postgresql": "off"}


def setting() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(runs.SYNC_COMMIT_SQL[connection.vendor][0])
        return cursor.fetchone()[0]


@pytest.fixture
def waits(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(runs.SYNC_COMMIT_SQL[connection.vendor][1].format(WAITS[connection.vendor]))
    yield WAITS[connection.vendor]
    connection.close()


def test_only_the_end_of_a_run_waits(waits, remote):
    found = []
    run = sync_all(watch=lambda run: found.append((run.state, setting())))
    assert run is not None
    assert [how for state, how in found if state == SyncRun.State.RUNNING] == [DOES_NOT[connection.vendor]] * (
        len(found) - 1
    )
    assert found[-1] == (SyncRun.State.COMPLETE, waits)
    assert setting() == waits


def test_an_error_leaves_it_as_it_was(waits):
    with pytest.raises(ZeroDivisionError), runs.asynchronous_commits():
        raise ZeroDivisionError
    assert setting() == waits


def test_an_enclosing_transaction_is_left_alone(waits):
    with transaction.atomic(), runs.asynchronous_commits():
        assert setting() == waits
