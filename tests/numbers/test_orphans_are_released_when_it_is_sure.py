"""A number whose agent is gone is unassigned only when that is certain: 404 in two checks ten minutes apart, a complete
listing, and no more numbers than the limit. Each release is an ordinary operation of the system."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import SyncRun
from controlplane.operations import change_sets
from controlplane.operations.errors import KeyReused
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState
from numbers import orphans
from numbers.models import PhoneNumber, State
from numbers.sync import sync_all
from tests import agent_writes as agent_services
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import Clock
from tests.operations.consistency_checks import violations
from tests.operations.writes import SEEN, agent, number

pytestmark = pytest.mark.django_db

BY_ID = "/v1/convai/agents/agent_*"


def orphaned(clock: Clock, lines: int = 1, name: str = "Support Bot", first: int = 0) -> Agent:
    """An agent deleted in the console while it had numbers: two complete runs found 404."""
    dead = agent(clock, name)
    for at in range(first, first + lines):
        number(clock, dead, f"+1555010012{at}")
    clock.remote.console("delete_agent", agent_id=dead.remote_id)
    sync_all()
    sync_all()
    dead.refresh_from_db()
    assert dead.gone_at is not None
    return dead


def ten_minutes(clock: Clock) -> None:
    clock.passes(601)
    sync_all()


def jane() -> User:
    return User.objects.create_user("jane", first_name="Jane")


def ids() -> list[str]:
    return list(PhoneNumber.objects.orphaned().values_list("remote_id", flat=True))


def release(key: str = "key", asked_by: User | None = None) -> ChangeSet:
    change_set = orphans.release(ids(), key=key, asked_by=asked_by).change_set
    change_sets.run_due()
    change_set.refresh_from_db()
    return change_set


def patches(clock: Clock) -> int:
    return len(clock.remote.calls(method="PATCH"))


def why_not(clock: Clock) -> str:
    """The reason for the refusal. Nothing is planned or sent."""
    with pytest.raises(orphans.NotReleased) as refusal:
        orphans.release(ids(), key="key", asked_by=None)
    assert not ChangeSet.objects.exists()
    assert not Operation.objects.exists()
    assert patches(clock) == 0
    return str(refusal.value)


# --- The agent is certainly gone ------------------------------------------------------------------------------------
def test_404_twice_ten_minutes_apart_releases_each_number_as_the_system(clock):
    dead = orphaned(clock, 3)
    ten_minutes(clock)
    since = len(clock.remote.calls(path=f"/v1/convai/agents/{dead.remote_id}"))

    change_set = release(asked_by=jane())

    assert len(clock.remote.calls(path=f"/v1/convai/agents/{dead.remote_id}")) == since + 1, (
        "the agent is checked once more"
    )
    assert (change_set.state, change_set.actor_name) == (ChangeSet.State.DONE, "Jane (jane)"), change_set.problem
    releases = Operation.objects.all()
    assert [(op.kind, op.state, op.actor, op.actor_name) for op in releases] == [
        ("number.assign", OperationState.DONE, None, "system")
    ] * 3
    assert all(op.reason.endswith("Requested by Jane (jane).") for op in releases)
    found = f"Its agent {dead} is gone: not found at {dead.missing_since:%Y-%m-%d %H:%M:%S} UTC, and again at "
    assert all(op.reason.startswith(found) for op in releases)
    changes = Entry.objects.filter(kind="number.changed", cause=Entry.Cause.OPERATION)
    assert {(entry.actor_name, entry.after["agent_id"]) for entry in changes} == {("system", None)}
    assert {line.state for line in PhoneNumber.objects.all()} == {State.UNASSIGNED}
    sync_all()
    assert violations(clock.remote) == []


def test_the_first_404_is_kept_when_the_agent_is_marked_as_deleted(clock):
    dead = agent(clock)
    clock.remote.console("delete_agent", agent_id=dead.remote_id)
    sync_all()
    dead.refresh_from_db()
    first = dead.missing_since
    assert (first is not None, dead.gone_at) == (True, None)
    clock.passes(120)
    sync_all()
    dead.refresh_from_db()
    assert dead.missing_since == first
    assert dead.gone_at - first >= timedelta(seconds=120)


def test_an_agent_known_only_by_its_number_has_its_first_404_too(clock):
    agent_id = clock.remote.console("create_agent", name="Gone Bot")["agent_id"]
    clock.remote.console("add_number", phone_number="+15550100123", label="Main", agent_id=agent_id)
    clock.remote.console("delete_agent", agent_id=agent_id)
    clock.passes(10)
    sync_all()
    dead = Agent.objects.get()
    assert dead.missing_since == dead.gone_at is not None
    assert "Nothing was unassigned" in why_not(clock)
    ten_minutes(clock)
    assert release().state == ChangeSet.State.DONE


def test_an_agent_deleted_from_here_is_looked_up_twice_as_well(clock):
    leaver = agent(clock)
    assert agent_services.delete(leaver, key="d", actor=None).state == OperationState.DONE
    line = number(clock, None)
    PhoneNumber.objects.filter(pk=line.pk).update(agent=leaver, bound_to=leaver.remote_id)
    Operation.objects.all().delete()
    [orphan] = orphans.proposal().orphans
    assert (orphan.ready_from, orphan.ready) == (None, False)
    assert orphans.clean_up() is None
    [orphan] = orphans.proposal().orphans
    assert orphan.ready_from is not None
    assert orphan.ready_from > timezone.now() + timedelta(seconds=590)


# --- It is not certain ------------------------------------------------------------------------------------------------
def test_404_once_is_not_enough(clock):
    orphaned(clock)
    [orphan] = orphans.proposal().orphans
    assert (orphan.ready, orphan.ready_from) == (False, orphan.dead.missing_since + timedelta(minutes=10))
    assert orphans.proposal().ready == []
    why_not(clock)
    clock.passes(580)
    sync_all()
    why_not(clock)


@pytest.mark.parametrize("archived", cases([False, True], [True]))
def test_an_agent_that_is_back_is_stored_and_keeps_its_numbers(archived, clock):
    """The list does not show it yet, but the check by its id finds it."""
    alive = agent(clock)
    line = number(clock, alive)
    if archived:
        clock.remote.console("archive_agent", agent_id=alive.remote_id)
    hidden = {"query": "archived=", "body": {"agents": [], "has_more": False, "next_cursor": None}, "times": 99}
    clock.remote.fault("GET", "/v1/convai/agents", "edit", **hidden)
    agent_mirror.mark_missing(alive.remote_id)
    agent_mirror.mark_gone(alive.remote_id, SEEN)
    Agent.objects.update(missing_since=timezone.now() - timedelta(minutes=11))
    sync_all()
    line.refresh_from_db()
    assert line.state is State.ORPHANED

    assert f"{alive} exists again" in why_not(clock)

    alive.refresh_from_db()
    line.refresh_from_db()
    assert (alive.gone_at, alive.missing_since, alive.archived) == (None, None, archived)
    assert line.state is State.ASSIGNED
    back = Entry.objects.get(kind="agent.back")
    assert (back.cause, back.actor_name) == (Entry.Cause.SYNC, "system")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("fault", "status"),
    cases([("status", 403), ("status", 500), ("reset", None), ("html", None)], [("status", 403), ("reset", None)]),
)
def test_without_a_clear_404_nothing_is_decided(fault, status, clock):
    dead = orphaned(clock)
    ten_minutes(clock)
    clock.remote.fault("GET", BY_ID, fault, status=status, times=9)
    assert f"Whether {dead} is gone could not be determined." in why_not(clock)
    dead.refresh_from_db()
    assert dead.gone_at is not None
    clock.remote.clear_faults()
    assert release().state == ChangeSet.State.DONE, "the same form can be sent again"


def test_an_agent_that_is_closed_to_the_key_does_not_hold_the_others(clock):
    closed, gone = orphaned(clock, 1, "Closed"), orphaned(clock, 1, "Gone", 5)
    ten_minutes(clock)
    clock.remote.fault("GET", f"/v1/convai/agents/{closed.remote_id}", "status", status=403)
    released = orphans.release(ids(), key="key", asked_by=None)
    assert [step.params["shown"] for step in released.change_set.steps.all()] == [gone.remote_id]
    assert [str(closed) in why for why in released.left_out] == [True]


def test_an_outage_ends_the_checks(clock):
    for at in range(3):
        orphaned(clock, 1, f"Bot {at}", at)
    ten_minutes(clock)
    before = len(clock.remote.calls(path=BY_ID))
    clock.remote.fault("GET", BY_ID, "status", status=500, times=99)
    why_not(clock)
    assert len(clock.remote.calls(path=BY_ID)) == before + 1


def test_the_newest_listing_has_to_be_complete(clock):
    orphaned(clock)
    ten_minutes(clock)
    clock.remote.fault("GET", "/v1/convai/v2/phone-numbers", "status", status=400)
    assert sync_all().state == SyncRun.State.PARTIAL
    assert "the newest sync was not complete" in why_not(clock)
    SyncRun.objects.create()  # a run that is under way does not count
    assert "the newest sync was not complete" in why_not(clock)
    SyncRun.objects.filter(state=SyncRun.State.RUNNING).delete()
    sync_all()
    SyncRun.objects.create()
    assert release().state == ChangeSet.State.DONE


def test_more_than_the_cap_releases_nothing_at_all(clock, settings):
    settings.ORPHAN_CLEANUP_MAX = 2
    orphaned(clock, 3)
    ten_minutes(clock)
    assert "3 numbers are orphaned, more than the 2 that may be unassigned at once" in why_not(clock)
    settings.ORPHAN_CLEANUP = "auto"
    assert orphans.clean_up() is None
    settings.ORPHAN_CLEANUP_MAX = 3
    assert release().state == ChangeSet.State.DONE


def test_a_number_moved_in_the_console_meanwhile_is_not_touched(clock):
    orphaned(clock, 2)
    other = agent(clock, "Sales Bot")
    ten_minutes(clock)
    change_set = orphans.release(ids(), key="key", asked_by=None).change_set
    moved, left = PhoneNumber.objects.order_by("phone_number")
    clock.remote.console("assign", number=moved.remote_id, agent_id=other.remote_id)
    change_sets.run_due()
    change_set.refresh_from_db()
    assert (change_set.state, "is with Sales Bot" in change_set.problem) == (ChangeSet.State.STOPPED, True)
    moved.refresh_from_db()
    assert (moved.agent, patches(clock)) == (other, 0)
    again = release("again")
    assert again.state == ChangeSet.State.DONE
    assert [step.object_id for step in again.steps.all()] == [left.remote_id]


def test_what_is_under_way_waits(clock):
    orphaned(clock, 2)
    ten_minutes(clock)
    held, other = PhoneNumber.objects.order_by("phone_number")
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="after")
    assert services.set_label(held, "Night", shown="Main", key="r", actor=None).state == OperationState.SENT
    offer = orphans.proposal()
    assert [(orphan.number, orphan.waits) for orphan in offer.orphans] == [
        (held, "something is under way on it"),
        (other, ""),
    ]
    assert [orphan.number for orphan in offer.ready] == [other]
    released = orphans.release(ids(), key="key", asked_by=None)
    assert released.left_out == ["1 of the numbers shown are not ready any more: they changed meanwhile."]
    waits = [orphan.waits for orphan in orphans.proposal().orphans]
    assert waits == ["something is under way on it", "is being unassigned"]


# --- Once ---------------------------------------------------------------------------------------------------------
def test_one_form_plans_once(clock):
    orphaned(clock, 2)
    ten_minutes(clock)
    shown = ids()
    first = orphans.release(shown, key="key", asked_by=None).change_set
    change_sets.run_due()
    assert orphans.release(shown, key="key", asked_by=None).change_set == first
    with pytest.raises(KeyReused):
        orphans.release(shown[:1], key="key", asked_by=None)
    assert (ChangeSet.objects.count(), Operation.objects.count(), patches(clock)) == (1, 2, 2)


def test_only_what_the_page_showed_is_released(clock):
    orphaned(clock, 1)
    shown = ids()
    orphaned(clock, 1, "Sales Bot", 5)
    ten_minutes(clock)
    change_set = orphans.release(shown, key="key", asked_by=None).change_set
    assert [step.object_id for step in change_set.steps.all()] == shown
