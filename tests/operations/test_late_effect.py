"""A write whose answer was lost may take effect later: the verdict is not given early, and a late effect is linked to
its operation."""

from itertools import product

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.elevenlabs import connect
from controlplane.mirror.models import OutsideChange
from controlplane.operations import settle
from controlplane.operations.models import Operation, State
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.crossed import cases
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, ONE_OF_EACH_METHOD, ONE_OF_EACH_VERB, WRITES, agent, number

pytestmark = pytest.mark.django_db

NAMES = [
    "create",
    "duplicate",
    "update",
    "archive",
    "delete",
    "import",
    "assign",
    "move",
    "release",
    "rename",
    "remove",
]


def lost(clock: Clock, name: str, late_seconds: float) -> Operation:
    """A write that is never answered and takes effect `late_seconds` later."""
    ask = WRITES[name].set_up(clock)
    clock.remote.fault(
        WRITES[name].method, "/v1/convai/*", "status", status=500, when="late", late_seconds=late_seconds
    )
    op = ask("key")
    assert op.state == State.SENT
    return op


def verdict_after_s(name: str) -> int:
    return 100 if name == "import" else 60


@pytest.mark.parametrize("name", cases(NAMES, ONE_OF_EACH_VERB))
def test_no_negative_verdict_before_its_time(name, clock):
    op = lost(clock, name, late_seconds=10_000)
    passed = 0
    for seconds in (1, 15, 25, 17, verdict_after_s(name) - 60):  # ends two seconds before the verdict is due
        clock.passes(seconds)
        passed += seconds
        settle.settle(op, connect())
        assert op.state == State.SENT, f"after {passed} s: {op.message}"
    clock.passes(3)
    settle.settle(op, connect())
    assert op.state == State.NOT_APPLIED
    assert op.late_at is None


@pytest.mark.parametrize(
    ("name", "seconds"), cases(product(NAMES, [1, 20, 55]), [(name, 20) for name in ONE_OF_EACH_METHOD])
)
def test_an_effect_within_the_wait_is_found(name, seconds, clock):
    op = lost(clock, name, late_seconds=seconds)
    clock.passes(seconds)
    clock.remote.get("/v1/user")  # the sandbox applies delayed writes with the next call
    recover(clock)
    op.refresh_from_db()
    assert (op.state, op.late_at) == (State.DONE, None), op.message
    assert violations(clock.remote) == []


@pytest.mark.parametrize("name", cases(NAMES, [*ONE_OF_EACH_VERB, "duplicate", "rename"]))  # one of each kind
def test_an_effect_after_the_verdict_is_linked_to_it(name, clock):
    op = lost(clock, name, late_seconds=500)
    recover(clock)
    op.refresh_from_db()
    assert (op.state, op.late_at) == (State.NOT_APPLIED, None), op.message
    assert violations(clock.remote) == []
    history_since = Entry.objects.latest("pk").pk

    clock.passes(400)
    recover(clock)

    op.refresh_from_db()
    assert op.state == State.NOT_APPLIED, "a verdict is final"
    assert op.late_at is not None
    assert op.object_id
    new = Entry.objects.filter(pk__gt=history_since)
    assert {(entry.cause, entry.cause_id) for entry in new} == {(Entry.Cause.OPERATION, str(op.pk))}
    assert sorted(entry.kind.partition(".")[2] for entry in new)[-1] == "late"
    assert new.filter(kind="operation.late").count() == 1
    assert new.count() == 2, "the change itself, and the note that it was late"
    assert violations(clock.remote, history_since=history_since, late=True) == []


@pytest.mark.parametrize(
    ("name", "when"),
    cases(
        product(["assign", "move", "release", "rename", "update", "archive", "restore"], ["after", "before"]),
        [("move", "after"), ("rename", "before"), ("update", "after"), ("archive", "before")],  # one of each kind
    ),
)
def test_an_answer_that_shows_the_old_value_decides_nothing(name, when, clock):
    """A successful answer may be stale because of a cache, so only the read-back after the wait counts."""
    ask = WRITES[name].set_up(clock)
    on_numbers = WRITES[name].kind.startswith("number")
    rows = clock.remote.get("/v1/convai/phone-numbers") if on_numbers else Agent.objects.values("remote_data")
    old = rows[0] if on_numbers else rows[0]["remote_data"]
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=200, body=old, when=when)
    op = ask("key")
    assert op.state == State.SENT, op.message
    recover(clock)
    op.refresh_from_db()
    assert op.state == {"after": State.DONE, "before": State.NOT_APPLIED}[when]
    assert violations(clock.remote) == []


def test_an_import_listed_late_is_waited_for(clock):
    clock.remote.settings(listed_after=90, hidden_until_listed=True)
    ask = WRITES["import"].set_up(clock)
    clock.remote.fault("POST", "/v1/convai/*", "reset", when="after")
    op = ask("key")
    clock.passes(70)
    settle.settle_due()
    op.refresh_from_db()
    assert op.state == State.SENT, "a verdict after 60 s would be wrong: the number exists, but is not listed yet"
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.DONE
    assert violations(clock.remote) == []


@pytest.mark.parametrize("name", ["create", "import"])
def test_a_sync_that_sees_it_first_does_not_record_an_external_change(name, clock):
    """Its id is unknown, but an open operation requested exactly this object."""
    ask = WRITES[name].set_up(clock)
    since, history_since = clock.remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    clock.remote.fault("POST", "/v1/convai/*", "reset", when="after")
    op = ask("key")
    clock.passes(20)
    sync_all()
    op.refresh_from_db()
    assert op.state == State.SENT
    recover(clock)
    op.refresh_from_db()
    assert (op.state, op.late_at) == (State.DONE, None), op.message
    assert violations(clock.remote, since=since, history_since=history_since) == []


def test_a_repeated_write_is_not_recorded_as_late(clock):
    """After a negative verdict and a successful repeat, a change in the console is an external change."""
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500)
    first = numbers.assign(line, to, shown=old.remote_id, key="first", actor=None)
    recover(clock)
    assert numbers.assign(line, to, shown=old.remote_id, key="again", actor=None).state == State.DONE
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500)
    third = agents.update(old, values={"name": "New"}, shown={"name": old.name}, key="third", actor=None)
    recover(clock)
    assert agents.update(old, values={"name": "New"}, shown={"name": old.name}, key="4", actor=None).state == State.DONE
    history_since = Entry.objects.latest("pk").pk

    clock.passes(2)
    clock.remote.console("patch_number", number=line.remote_id, patch={"label": "Console line"})
    clock.remote.console("archive_agent", agent_id=old.remote_id)
    recover(clock)

    for op in (first, third):
        op.refresh_from_db()
        assert (op.state, op.late_at) == (State.NOT_APPLIED, None)
    assert {entry.cause for entry in Entry.objects.filter(pk__gt=history_since)} == {Entry.Cause.SYNC}
    assert PhoneNumber.objects.get().label == "Console line"
    assert Agent.objects.get(pk=old.pk).archived


def test_a_late_effect_over_a_newer_write_is_linked_to_the_old_one(clock):
    old, lost_to, moved_to = agent(clock), agent(clock, "Sales Bot"), agent(clock, "Night Bot")
    line = number(clock, old)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="late", late_seconds=500)
    first = numbers.assign(line, lost_to, shown=old.remote_id, key="first", actor=None)
    recover(clock)
    second = numbers.assign(line, moved_to, shown=old.remote_id, key="second", actor=None)
    assert second.state == State.DONE
    clock.passes(400)
    recover(clock)
    for op in (first, second):
        op.refresh_from_db()
    assert (first.state, first.late_at is not None) == (State.NOT_APPLIED, True)
    assert (second.state, second.late_at) == (State.DONE, None)
    line.refresh_from_db()
    assert line.agent == lost_to
    assert violations(clock.remote, late=True) == []


def test_a_late_import_is_there_and_cannot_be_imported_twice(clock):
    lost(clock, "import", late_seconds=500)
    recover(clock)
    clock.passes(400)
    recover(clock)
    assert import_polling.poll_due() == 0
    again = numbers.import_number(NEW_LINE, label="Again", credentials=CREDENTIALS, key="again", actor=None)
    assert (again.state, again.sent_at) == (State.NOT_SENT, None)
    assert violations(clock.remote, late=True) == []


@pytest.mark.parametrize(
    ("name", "next_action"),
    cases(
        product(["create", "duplicate", "import"], ["delete", "rename"]),
        [("create", "delete"), ("duplicate", "rename"), ("import", "delete"), ("import", "rename")],
    ),
)
def test_an_effect_seen_by_a_sync_counts_after_it_is_deleted_or_changed(name, next_action, clock):
    op = lost(clock, name, late_seconds=1)
    for _ in range(2):
        clock.passes(10)
        sync_all()
    made = Entry.objects.get(kind__endswith=".added", cause=Entry.Cause.OPERATION, cause_id=str(op.pk))
    row = (Agent if made.object_type == "agent" else PhoneNumber).objects.get(remote_id=made.object_id)
    for method in ("PATCH", "DELETE"):
        clock.remote.fault(method, "/v1/convai/*", "status", status=500, when="after")
    match made.object_type, next_action:
        case "agent", "delete":
            other = agents.delete(row, key="other", actor=None)
        case "number", "delete":
            other = numbers.remove(row, shown=row.bound_to, key="other", actor=None)
        case "agent", "rename":
            other = agents.update(row, values={"name": "Other"}, shown={"name": row.name}, key="other", actor=None)
        case _:
            other = numbers.set_label(row, "Other", shown=row.label, key="other", actor=None)
    clock.remote.clear_faults()
    recover(clock)
    op.refresh_from_db()
    other.refresh_from_db()
    assert op.state == State.OVERTAKEN
    assert f"It took effect: a sync saw {made.object_id}." in op.message
    assert other.state == State.DONE
    assert not OutsideChange.objects.exists()


def test_two_candidates_seen_by_a_sync_stay_ambiguous(clock):
    op = lost(clock, "create", late_seconds=1)
    clock.passes(10)
    first = next(row for row in clock.remote.get("/v1/convai/agents")["agents"] if row["tags"] == ["new"])["agent_id"]
    twin = clock.remote.call("POST", f"/v1/convai/agents/{first}/duplicate", json={"name": "Support Bot"}).json()[
        "agent_id"
    ]
    sync_all()
    for agent_id in (first, twin):
        clock.remote.console("delete_agent", agent_id=agent_id)
    clock.passes(300)
    settle.settle_due()
    op.refresh_from_db()
    assert op.state == State.OVERTAKEN
    assert "It is not known which of them, if any, this request created." in op.message
    assert first in op.message
    assert twin in op.message
