"""Changes that the list does not show are found in time: the details of every agent are read in turn."""

from itertools import chain

import pytest

from agents.models import Agent
from controlplane.mirror.json_paths import get
from controlplane.operations.models import State
from tests import agent_writes as agents_service
from tests.mirror.fixtures import answers, known, run_over_all
from tests.operations.clock import Clock
from tests.operations.writes import PROMPT, mirrored_agent

pytestmark = pytest.mark.django_db

ALSO = "conversation_config.agent.language"
SECOND = {"agent": {"prompt": {"prompt": "Second"}}}


@pytest.fixture(autouse=True)
def two_reads_at_once(settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


@pytest.fixture(autouse=True)
def one_in_each_run(settings):
    settings.DETAILS_REFRESH = 10 * settings.SYNC_INTERVAL  # a tenth of the agents in each run, rounded up


def read_in_a_run(clock: Clock) -> list[str]:
    since = clock.remote.call_report()["last_id"]
    clock.passes(60)
    run_over_all()
    calls = clock.remote.calls(since=since, path="/v1/convai/agents/agent_*")
    return [call["path"].rpartition("/")[2] for call in calls]


def test_each_has_its_turn(clock):
    agents = known(clock, "agent", 3)
    read = [read_in_a_run(clock) for _ in range(6)]
    assert {len(some) for some in read} == {1}
    once = [row.remote_id for row in agents]
    assert sorted(chain(*read[:3])) == sorted(once)
    assert read[:3] == read[3:], "the agent with the oldest details comes first"


@pytest.mark.parametrize("status", [403, pytest.param(500, marks=pytest.mark.slow)])
def test_one_that_is_never_answered_does_not_hold_up_the_rest(status, clock):
    agents = known(clock, "agent", 3)
    answers(clock, agents[0], status, times=100)
    read = [read_in_a_run(clock) for _ in range(3)]
    assert sorted(chain(*read)) == sorted(row.remote_id for row in agents)


def test_one_that_cannot_be_kept_does_not_hold_up_the_rest(clock):
    agents = known(clock, "agent", 3)
    row = clock.remote.get(f"/v1/convai/agents/{agents[0].remote_id}")
    path = f"/v1/convai/agents/{agents[0].remote_id}"
    clock.remote.fault("GET", path, "status", status=200, body={**row, "name": "x" * 301}, times=100)
    read = [read_in_a_run(clock) for _ in range(3)]
    assert sorted(chain(*read)) == sorted(row.remote_id for row in agents)


def test_one_that_was_never_read_by_a_sync_comes_first(clock):
    """It was stored by an operation, and its list entry has not changed since."""
    known(clock, "agent", 3)
    new = mirrored_agent(clock.remote.console("create_agent", name="New")["agent_id"])
    clock.passes(60)
    assert read_in_a_run(clock) == [new.remote_id]


def test_a_change_that_the_list_does_not_show_is_found_within_a_turn(clock):
    agents = known(clock, "agent", 3)
    row = clock.remote.get(f"/v1/convai/agents/{agents[2].remote_id}")
    row["conversation_config"]["agent"]["language"] = "de"
    path = f"/v1/convai/agents/{agents[2].remote_id}"
    clock.remote.fault("GET", path, "status", status=200, body=row, times=100)
    for _ in range(3):
        read_in_a_run(clock)
    assert get(Agent.objects.get(pk=agents[2].pk).remote_data, ALSO) == "de"


@pytest.mark.parametrize("stored_by", ["an operation", "a sync"])
def test_two_changes_in_one_second(stored_by, clock):
    """The list has whole seconds only, so it shows the same time for both changes."""
    row, *_ = known(clock, "agent", 6)
    clock.passes(3600)
    clock.passes(1.05 - clock.remote.advance(0) % 1)  # move to the start of a second
    if stored_by == "a sync":
        clock.remote.console("rename_agent", agent_id=row.remote_id, name="First")
        run_over_all()
    else:
        op = agents_service.update(row, values={"name": "First"}, shown={"name": row.name}, key="k", actor=None)
        assert op.state == State.DONE
    clock.remote.console("patch_agent", agent_id=row.remote_id, patch={"conversation_config": SECOND})
    for _ in range(2):
        clock.passes(60)
        run_over_all()
    assert get(Agent.objects.get(pk=row.pk).remote_data, PROMPT) == "Second"
    assert read_in_a_run(clock) != [], "the details of one agent are read"
    since = clock.remote.call_report()["last_id"]
    run_over_all()
    assert len(clock.remote.calls(since=since, path=f"/v1/convai/agents/{row.remote_id}")) == 0, "its details are known"


def test_a_full_run_reads_them_all(clock):
    agents = known(clock, "agent", 3)
    since = clock.remote.call_report()["last_id"]
    run_over_all(full=True)
    calls = clock.remote.calls(since=since, path="/v1/convai/agents/agent_*")
    assert sorted(call["path"].rpartition("/")[2] for call in calls) == sorted(row.remote_id for row in agents)
