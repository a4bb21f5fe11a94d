"""ORPHAN_CLEANUP=auto: a worker unassigns orphans on its own, once, and leaves failures to staff."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState
from numbers import orphans
from numbers.models import PhoneNumber, State
from numbers.sync import sync_all
from tests.numbers.test_orphans_are_released_when_it_is_sure import orphaned, patches, release, ten_minutes
from tests.operations.consistency_checks import violations

pytestmark = pytest.mark.django_db


def by_itself() -> ChangeSet | None:
    change_set = orphans.clean_up()
    change_sets.run_due()
    return change_set


def test_nothing_is_released_by_itself_unless_it_is_set(clock):
    orphaned(clock)
    ten_minutes(clock)
    assert by_itself() is None
    assert patches(clock) == 0


def test_auto_releases_once_it_is_sure(clock, settings):
    settings.ORPHAN_CLEANUP = "auto"
    orphaned(clock, 2)
    assert by_itself() is None
    ten_minutes(clock)
    change_set = by_itself()
    assert change_set is not None
    assert change_set.actor_name == "system"
    assert {(op.actor_name, op.reason.endswith("ORPHAN_CLEANUP is auto.")) for op in Operation.objects.all()} == {
        ("system", True)
    }
    assert {line.state for line in PhoneNumber.objects.all()} == {State.UNASSIGNED}
    assert by_itself() is None
    assert violations(clock.remote) == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_plan_one_change_set(clock, settings):
    settings.ORPHAN_CLEANUP = "auto"
    orphaned(clock, 3)
    ten_minutes(clock)
    start = threading.Barrier(4)
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            start.wait(10)
            orphans.clean_up()
            change_sets.run_due()
        except BaseException as error:  # noqa: BLE001 - checked in the main thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ChangeSet.objects.count() == 1
    assert patches(clock) == 3


def test_a_refused_release_is_left_to_staff_and_does_not_block_the_rest(clock, settings):
    settings.ORPHAN_CLEANUP = "auto"
    orphaned(clock, 3)
    ten_minutes(clock)
    refused, *_ = PhoneNumber.objects.order_by("phone_number")
    clock.remote.fault("PATCH", f"/v1/convai/phone-numbers/{refused.remote_id}", "status", status=422, times=99)
    for _ in range(5):
        by_itself()
        clock.passes(300)
        sync_all()
    assert [line.state for line in PhoneNumber.objects.order_by("phone_number")] == [
        State.ORPHANED,
        State.UNASSIGNED,
        State.UNASSIGNED,
    ]
    tried = clock.remote.calls(method="PATCH", path=f"/v1/convai/phone-numbers/{refused.remote_id}")
    assert (len(tried), ChangeSet.objects.count()) == (1, 2)
    [orphan] = orphans.proposal().ready
    assert orphan.tried is not None
    assert orphan.tried.state == OperationState.REFUSED
    clock.remote.clear_faults()
    assert release("a click").state == ChangeSet.State.DONE


def test_an_agent_that_is_deleted_again_is_a_new_case(clock, settings):
    settings.ORPHAN_CLEANUP = "auto"
    dead = orphaned(clock)
    line = PhoneNumber.objects.get()
    ten_minutes(clock)
    assert by_itself() is not None
    PhoneNumber.objects.update(agent=dead, bound_to=dead.remote_id)  # it was restored, and got its number back
    later = timezone.now() + timedelta(seconds=5)
    Agent.objects.update(missing_since=later, gone_at=later)
    clock.passes(610)
    assert [orphan.tried for orphan in orphans.proposal().ready] == [None]
    assert by_itself() is not None
    assert ChangeSet.objects.count() == 2
    line.refresh_from_db()
    assert line.state is State.UNASSIGNED
