"""One object that cannot be read or stored is left out: the rest of the run continues and is complete."""

import json

import pytest
from django.db import DataError, IntegrityError

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import BadShape, connect
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror import upsert as mirror_upsert
from controlplane.mirror.models import SyncRun
from numbers import mirror as number_mirror
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.clock import Clock
from tests.operations.writes import SEEN, agent, number

pytestmark = pytest.mark.django_db

AGENT_BY_ID = "/v1/convai/agents/agent_*"


def overlay(clock: Clock, object_id: str, values: object) -> None:
    clock.remote.console("overlay", id=object_id, set=values)


def run_over_all() -> SyncRun:
    run = sync_all()
    assert run is not None
    return run


def new_number(clock: Clock, phone_number: str, agent_id: str | None = None) -> str:
    added = clock.remote.console("add_number", phone_number=phone_number, label="Main", agent_id=agent_id)
    clock.passes(10)
    return added["phone_number_id"]


@pytest.mark.parametrize("status", [403, 422, 500])
def test_an_agent_whose_details_are_never_answered(status, clock):
    broken = clock.remote.console("create_agent", name="A")["agent_id"]
    for name in ("B", "C"):
        clock.remote.console("create_agent", name=name)
    line = new_number(clock, "+15550100123", broken)
    clock.remote.fault("GET", f"/v1/convai/agents/{broken}", "status", status=status, times=100)
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    assert sorted(Agent.objects.values_list("name", flat=True)) == ["B", "C"]
    row = PhoneNumber.objects.get(remote_id=line)
    assert (row.bound_to, row.agent) == (broken, None), "it is shown, although its agent cannot be read"
    clock.remote.clear_faults()
    run_over_all()
    row.refresh_from_db()
    assert row.agent == Agent.objects.get(remote_id=broken)


def test_three_in_a_row_without_an_answer_are_an_outage(clock):
    for name in "ABCDEF":
        clock.remote.console("create_agent", name=name)
    clock.remote.fault("GET", AGENT_BY_ID, "status", status=500, times=100)
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.PARTIAL, 3)
    assert len(clock.remote.calls(path=AGENT_BY_ID)) == 3


def test_many_that_are_closed_to_the_key_are_no_outage(clock):
    for name in "ABCDEF":
        clock.remote.console("create_agent", name=name)
    clock.remote.fault("GET", AGENT_BY_ID, "status", status=403, times=5)
    run = run_over_all()
    assert (run.state, run.quarantined, run.added) == (SyncRun.State.COMPLETE, 5, 1)


def test_a_refused_key_ends_the_run(clock):
    for name in "ABC":
        clock.remote.console("create_agent", name=name)
    clock.remote.fault("GET", AGENT_BY_ID, "status", status=401, times=100)
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.PARTIAL, 0)


def test_a_number_bound_to_an_invalid_id_is_kept(clock):
    first, second = new_number(clock, "+15550100123"), new_number(clock, "+15550100124")
    overlay(clock, first, {"assigned_agent": {"agent_id": "../../x", "agent_name": "x"}})
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 0), run.problem
    row = PhoneNumber.objects.get(remote_id=first)
    assert (row.bound_to, row.agent) == ("../../x", None)
    assert PhoneNumber.objects.filter(remote_id=second).exists()


def test_a_number_bound_to_an_id_that_no_column_holds_is_left_out(clock):
    first, second = new_number(clock, "+15550100123"), new_number(clock, "+15550100124")
    overlay(clock, first, {"assigned_agent": {"agent_id": "x" * 200, "agent_name": "x"}})
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    assert [row.remote_id for row in PhoneNumber.objects.all()] == [second]


@pytest.mark.parametrize(
    "hostile", ['{"x": NaN}', '{"x": "a\\u0000b"}', '{"x": "\\ud800"}', '{"x": 1180591620717411303424}']
)
def test_an_unlisted_agent_that_cannot_be_kept_does_not_end_the_run(hostile, clock):
    hidden = clock.remote.console("create_agent", name="Hidden")["agent_id"]
    line = new_number(clock, "+15550100123", hidden)
    clock.remote.call("POST", "/_sandbox/console", json={"action": "overlay", "id": hidden, "set": hostile})
    clock.remote.fault("GET", "/v1/convai/agents", "edit", query="archived=false", body={"agents": []}, times=9)
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    assert PhoneNumber.objects.get(remote_id=line).agent is None
    assert not Agent.objects.exists()


@pytest.mark.parametrize("hostile", ['{"x": NaN}', '{"x": "a\\u0000b"}', '{"label": "\\ud800", "name": "\\ud800"}'])
def test_values_that_no_database_stores_are_rejected_when_parsed(hostile, clock):
    old = agent(clock)
    line = number(clock, old)
    bad = json.loads(hostile)
    with pytest.raises(BadShape):
        agent_mirror.upsert_row(RemoteAgent.parse({**connect().get_agent(old.remote_id).raw, **bad}), SEEN)
    with pytest.raises(BadShape):
        number_mirror.upsert_row(RemoteNumber.parse({**connect().get_number(line.remote_id).raw, **bad}), SEEN)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "error",
    [DataError(), IntegrityError("CHECK"), OverflowError(), ValueError(), "\ud800"],
    ids=lambda e: type(e).__name__,
)
def test_what_the_database_refuses_is_left_out(error, known, clock, monkeypatch):
    if known:
        agent(clock, "Bad")
    clock.passes(2)
    bad = clock.remote.get("/v1/convai/agents")["agents"][0]["agent_id"] if known else None
    bad = bad or clock.remote.console("create_agent", name="Bad")["agent_id"]
    clock.remote.console("patch_agent", agent_id=bad, patch={"tags": ["x"]})
    good = clock.remote.console("create_agent", name="Good")["agent_id"]
    write = mirror_upsert.write

    def refusing(changes):
        if all(change.row.remote_id != bad for change in changes):
            write(changes)
        elif isinstance(error, str):
            error.encode()
        else:
            raise error

    monkeypatch.setattr(mirror_upsert, "write", refusing)
    run = run_over_all()
    assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    assert Agent.objects.filter(remote_id=good).exists()


def test_a_known_row_that_turns_ill_shaped_was_seen_all_the_same(clock):
    ill, gone = number(clock), number(clock, phone_number="+15550100124")
    overlay(clock, ill.remote_id, {"label": None})
    clock.remote.console("delete_number", number=gone.remote_id)
    for _ in range(2):
        run = run_over_all()
        assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    ill.refresh_from_db()
    gone.refresh_from_db()
    assert (ill.missing_since, ill.gone_at) == (None, None)
    assert gone.gone_at is not None


def test_one_unlisted_row_that_cannot_be_looked_up_does_not_hide_the_next(clock):
    closed, gone = agent(clock, "Closed"), agent(clock, "Gone")
    clock.remote.console("delete_agent", agent_id=gone.remote_id)
    for _ in range(2):
        clock.remote.fault("GET", "/v1/convai/agents", "edit", query="archived=false", body={"agents": []})
        clock.remote.fault("GET", f"/v1/convai/agents/{closed.remote_id}", "status", status=403)
        run = run_over_all()
        assert (run.state, run.quarantined) == (SyncRun.State.COMPLETE, 1), run.problem
    closed.refresh_from_db()
    gone.refresh_from_db()
    assert (closed.gone_at, gone.gone_at is not None) == (None, True)
