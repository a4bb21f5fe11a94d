"""Changes made in the ElevenLabs console are recorded once, with both values and the time span in which they happened.
Our own writes are not external changes, however late they become visible."""

from datetime import datetime
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from controlplane.operations import settle
from controlplane.operations.models import State
from numbers.models import PhoneNumber
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.crossed import cases
from tests.mirror.fixtures import (
    AGENTS,
    WHATS,
    answers,
    changed,
    deleted,
    is_gone,
    known,
    made,
    model_of,
    run_over_all,
    unlisted,
)
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import mirror_differs
from tests.operations.writes import CREDENTIALS, NEW_LINE, PROMPT

pytestmark = pytest.mark.django_db

FIELD = {"agent": "name", "number": "label"}
SAME_FOR_BOTH = cases(WHATS, ["number"])  # for tests in which the kind of object makes no difference


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 2], autouse=True)
def width(request, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = request.param


def recorded() -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    found = OutsideChange.objects.order_by("pk").select_related("entry")
    return [(one.entry.kind, one.object_id, one.entry.before, one.entry.after) for one in found]


def passes(clock: Clock, seconds: float = 60) -> datetime:
    clock.passes(seconds)
    return timezone.now()


# --- Kept -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", WHATS)
def test_a_change_with_both_values_and_its_span(what, clock):
    row, *_ = known(clock, what)
    last_run_began = SyncRun.objects.latest("pk").started_at
    field, old = FIELD[what], getattr(row, FIELD[what])
    passes(clock)
    changed(clock, row, "Console's")
    passes(clock)
    run = run_over_all()
    assert recorded() == [(f"{what}.changed", row.remote_id, {field: old}, {field: "Console's"})]
    change = OutsideChange.objects.get()
    assert (change.state, change.run, change.object_type) == (OutsideChange.State.OPEN, run, what)
    assert change.since == last_run_began
    assert run.started_at <= change.found_at <= timezone.now()
    assert change.entry.cause_id == str(run.pk)
    passes(clock)
    run_over_all()
    assert OutsideChange.objects.count() == 1, "a change is recorded once"


@pytest.mark.parametrize("what", WHATS)
def test_added_and_gone(what, clock):
    gone, *_ = known(clock, what)
    passes(clock)
    deleted(clock, gone)
    if what == "agent":
        new = clock.remote.console("create_agent", name="New")["agent_id"]
    else:
        new = clock.remote.console("add_number", phone_number=NEW_LINE, label="New")["phone_number_id"]
    passes(clock)
    run_over_all()
    passes(clock)
    before = SyncRun.objects.latest("pk").started_at
    run_over_all()
    assert [(kind, object_id) for kind, object_id, _, _ in recorded()] == [
        (f"{what}.added", new),
        (f"{what}.gone", gone.remote_id),
    ]
    assert OutsideChange.objects.get(object_id=gone.remote_id).since == before


def test_a_number_that_was_moved(clock):
    old, new = known(clock, "agent", 2)
    line, *_ = known(clock, "number", 1)
    OutsideChange.objects.all().delete()
    for agent, before in ((old, None), (new, old)):
        passes(clock)
        clock.remote.console("assign", number=line.remote_id, agent_id=agent.remote_id)
        run_over_all()
        _, _, values_before, values_after = recorded()[-1]
        assert values_before == {
            "agent_id": before and before.remote_id,
            "agent_name": before and str(before),
        }
        assert values_after == {"agent_id": agent.remote_id, "agent_name": str(agent)}
    assert OutsideChange.objects.count() == 2


@pytest.mark.parametrize("what", SAME_FOR_BOTH)
def test_a_partial_run_keeps_what_it_found(what, clock):
    row, *_ = known(clock, what)
    last_run_began = SyncRun.objects.latest("pk").started_at
    passes(clock)
    changed(clock, row, "Console's")
    clock.remote.fault("GET", AGENTS, "status", status=500, query="archived=true")
    run_over_all(SyncRun.State.PARTIAL)
    passes(clock)
    run_over_all()
    assert len(recorded()) == 1
    assert OutsideChange.objects.get().since == last_run_began, "a partial run does not prove the earlier state"


@pytest.mark.parametrize("what", WHATS)
def test_after_our_own_write_it_happened_after_that(what, clock):
    row, *_ = known(clock, what)
    passes(clock)
    if what == "agent":
        op = agents.update(row, values={PROMPT: "Ours"}, shown={PROMPT: ""}, key="k", actor=None)
    else:
        op = numbers.set_label(row, "Ours", shown=row.label, key="k", actor=None)
    assert op.state == State.DONE
    passes(clock)
    changed(clock, row, "Console's")
    run_over_all()
    op.refresh_from_db()
    assert OutsideChange.objects.get().since == op.ended_at


def test_a_change_that_the_list_does_not_show_may_be_older_than_the_last_run(clock, settings):
    """The details were read an hour ago, so the change may be that old."""
    row, *_ = known(clock, "agent", 1)
    settings.DETAILS_REFRESH = 10**9
    row.refresh_from_db()
    read_at = row.details_read_at
    data = clock.remote.get(f"/v1/convai/agents/{row.remote_id}")
    data["conversation_config"]["agent"]["language"] = "de"
    clock.remote.fault("GET", f"/v1/convai/agents/{row.remote_id}", "status", status=200, body=data, times=100)
    settings.SYNC_INTERVAL = 0
    for _ in range(3):
        passes(clock, 1200)
        run_over_all()
    assert not OutsideChange.objects.exists()
    passes(clock, 60)
    run_over_all(full=True)
    assert OutsideChange.objects.get().since == read_at


# --- Not kept ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("first", ["complete", "partial", "killed"])
def test_the_first_sync_records_no_change(first, clock):
    made(clock, "agent", 3)
    made(clock, "number", 3)
    if first == "partial":
        clock.remote.fault("GET", AGENTS, "status", status=500, query="archived=true")
        run_over_all(SyncRun.State.PARTIAL)
    elif first == "killed":
        SyncRun.objects.create(claimed_until=timezone.now())
        passes(clock, 100)
    run_over_all()
    assert Agent.objects.count() == PhoneNumber.objects.count() == 3
    assert not OutsideChange.objects.exists()
    clock.remote.console("create_agent", name="Later")
    run_over_all()
    assert len(recorded()) == 1


def test_what_moves_by_itself_is_no_change(clock):
    """The list of an agent's numbers, the name of a number's agent, and the time of the last call."""
    agent, *_ = known(clock, "agent", 1)
    line, *_ = known(clock, "number", 1)
    OutsideChange.objects.all().delete()
    assert numbers.assign(line, agent, shown="", key="k", actor=None).state == State.DONE
    passes(clock)
    assert (
        agents.update(agent, values={"name": "X"}, shown={"name": agent.name}, key="2", actor=None).state == State.DONE
    )
    passes(clock)
    clock.remote.console("overlay", id=agent.remote_id, set={"last_call_time_unix_secs": 1_700_000_000})
    run_over_all(full=True)
    agent.refresh_from_db()
    assert agent.last_call_at is not None
    assert recorded() == []
    assert mirror_differs(clock.remote) == []


OURS = ["create", "duplicate", "import"]


@pytest.mark.parametrize(
    ("name", "unreadable"),
    cases(product(OURS, [True, False]), [*product(["create", "import"], [True]), ("duplicate", False)]),
)
def test_what_we_made_and_could_not_read_at_once(name, unreadable, clock):
    """The answer named the object, but reading it failed: the next sync stores it as our own change."""
    source, *_ = known(clock, "agent", 1)
    clock.remote.settings(hidden_until_listed=True)
    if unreadable:
        clock.remote.fault("GET", "/v1/convai/*/*_*", "status", status=500, skip=int(name != "create"), times=1)
    if name == "create":
        op = agents.create(name="New", body={"tags": ["ours"], "conversation_config": {}}, key="k", actor=None)
    elif name == "duplicate":
        op = agents.duplicate(source, name="Copy", key="k", actor=None)
    else:
        op = numbers.import_number(NEW_LINE, label=" New ", credentials=CREDENTIALS, agent=source, key="k", actor=None)
    assert op.state == State.DONE, op.message
    assert op.observed is None or not unreadable
    passes(clock)
    run_over_all()
    run_over_all()
    assert mirror_differs(clock.remote) == []
    assert recorded() == []
    entries = Entry.objects.filter(object_id=op.object_id).exclude(kind__startswith="operation.")
    assert {(entry.cause, entry.cause_id) for entry in entries} == {(Entry.Cause.OPERATION, str(op.pk))}
    kind = "number" if name == "import" else "agent"
    changed(clock, model_of(kind).objects.get(remote_id=op.object_id), "Console's")
    run_over_all()
    assert len(recorded()) == 1, "a later change is an external one"


@pytest.mark.parametrize("what", SAME_FOR_BOTH)
def test_what_we_deleted_and_what_we_deleted_late(what, clock):
    first, second, third = known(clock, what)
    remove = (
        (lambda row, key: agents.delete(row, key=key, actor=None))
        if what == "agent"
        else (lambda row, key: numbers.remove(row, shown="", key=key, actor=None))
    )
    assert remove(first, "1").state == State.DONE
    clock.remote.fault("DELETE", "/v1/convai/*", "status", status=500, when="late", late_seconds=500)
    late = remove(second, "2")
    recover(clock)
    late.refresh_from_db()
    assert late.state == State.NOT_APPLIED
    clock.passes(400)
    recover(clock)
    assert [is_gone(row) for row in (first, second, third)] == [True, True, False]
    late.refresh_from_db()
    assert late.late_at is not None
    assert recorded() == []


@pytest.mark.parametrize("what", SAME_FOR_BOTH)
def test_a_late_effect_is_ours(what, clock):
    row, *_ = known(clock, what)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="late", late_seconds=500)
    if what == "agent":
        op = agents.update(row, values={"name": "Ours"}, shown={"name": row.name}, key="k", actor=None)
    else:
        op = numbers.set_label(row, "Ours", shown=row.label, key="k", actor=None)
    recover(clock)
    clock.passes(400)
    recover(clock)
    op.refresh_from_db()
    assert op.late_at is not None
    assert recorded() == []


@pytest.mark.parametrize("what", SAME_FOR_BOTH)
def test_while_ours_is_unconfirmed_and_when_it_is_settled(what, clock):
    row, *_ = known(clock, what)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="after")
    if what == "agent":
        agents.update(row, values={"name": "Ours"}, shown={"name": row.name}, key="k", actor=None)
    else:
        numbers.set_label(row, "Ours", shown=row.label, key="k", actor=None)
    run_over_all()
    assert recorded() == []
    passes(clock, 100)
    settle.settle_due()
    run_over_all()
    assert recorded() == []


@pytest.mark.parametrize("what", SAME_FOR_BOTH)
def test_a_row_that_was_only_missing_for_a_while(what, clock):
    row, *_ = known(clock, what)
    unlisted(clock, what, row.remote_id)
    answers(clock, row, 404)
    run_over_all()
    run_over_all()
    assert recorded() == []
