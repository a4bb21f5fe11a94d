"""Every write reads the remote first. Changes that it finds are recorded as external changes, separately from its own
effect, and our own writes are never recorded as external changes."""

from itertools import product

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange
from controlplane.operations.models import State
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.crossed import cases
from tests.operations.clock import recover
from tests.operations.consistency_checks import mirror_differs
from tests.operations.writes import ONE_OF_EACH_METHOD, PROMPT, WRITES

pytestmark = pytest.mark.django_db

TEMPERATURE = "conversation_config.agent.prompt.temperature"


def causes(object_id: str) -> list[tuple[str, list[str]]]:
    entries = Entry.objects.filter(object_id=object_id, kind__endswith=".changed").order_by("pk")
    return [(entry.cause, sorted(entry.after)) for entry in entries]


def test_setting_a_label_does_not_hide_a_move_in_the_console(workspace):
    workspace.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    op = numbers.set_label(workspace.line, "Front", shown="Main", key="key", actor=workspace.ada)
    assert op.state == State.DONE
    assert causes(workspace.line.remote_id) == [("sync", ["agent_id", "agent_name"]), ("operation", ["label"])]
    change = OutsideChange.objects.get()
    assert (change.object_id, change.state, change.run) == (workspace.line.remote_id, "open", None)
    assert change.since < change.found_at <= op.ended_at
    recover(workspace.clock)
    assert OutsideChange.objects.count() == 1, "the change is recorded once"


def test_saving_a_prompt_does_not_hide_a_setting_changed_in_the_console(workspace):
    patch = {"conversation_config": {"agent": {"prompt": {"temperature": 0.7}}}}
    workspace.console("patch_agent", agent_id=workspace.support.remote_id, patch=patch)
    op = agents.update(workspace.support, values={PROMPT: "Ours."}, shown={PROMPT: ""}, key="key", actor=workspace.ada)
    assert op.state == State.DONE
    assert causes(workspace.support.remote_id) == [("sync", [TEMPERATURE]), ("operation", [PROMPT])]
    assert OutsideChange.objects.get().entry.after == {TEMPERATURE: 0.7}


def test_a_change_that_stops_a_write_stays_open(workspace):
    workspace.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    op = numbers.assign(workspace.line, None, shown=workspace.support.remote_id, key="key", actor=workspace.ada)
    assert op.state == State.NOT_SENT
    assert OutsideChange.objects.get().entry.after["agent_id"] == workspace.sales.remote_id


def test_the_change_that_overtook_a_write_stays_open(workspace):
    workspace.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="before")
    op = numbers.set_label(workspace.line, "Front", shown="Main", key="key", actor=workspace.ada)
    workspace.console("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    recover(workspace.clock)
    op.refresh_from_db()
    assert op.state == State.OVERTAKEN
    assert OutsideChange.objects.get().entry.after == {"label": "Console line"}


# Each write with its answer. If the answer is lost, the shared code that gives the verdict links the change to it.
@pytest.mark.parametrize(
    ("name", "answer"),
    cases(
        product(WRITES, ["comes", "is lost"]),
        [*product(WRITES, ["comes"]), *product(ONE_OF_EACH_METHOD, ["is lost"])],
    ),
)
def test_our_own_writes_are_no_outside_changes(name, answer, clock):
    ask = WRITES[name].set_up(clock)
    recover(clock)
    clock.passes(2)
    OutsideChange.objects.all().delete()  # those of the setup, which uses the console
    if answer == "is lost":
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")
    op = ask("key")
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.DONE, op.message
    assert [str(change) for change in OutsideChange.objects.all()] == []
    assert mirror_differs(clock.remote) == []


def test_reading_the_details_of_a_new_agent_later_records_no_change(workspace):
    workspace.clock.remote.fault("GET", "/v1/convai/agents/*", "status", status=500, times=20)
    op = agents.create(name="New Bot", body={"conversation_config": {}}, key="key", actor=workspace.ada)
    assert op.state == State.DONE
    assert Agent.objects.get(name="New Bot").remote_data == {}
    workspace.clock.remote.clear_faults()
    workspace.sync()
    assert Agent.objects.get(name="New Bot").remote_data
    assert not OutsideChange.objects.exists()


def test_reading_the_agent_of_a_number_later_records_no_change_of_the_number(workspace):
    agent_id = workspace.clock.remote.console("create_agent", name="Console Bot")["agent_id"]
    workspace.console("assign", number=workspace.line.remote_id, agent_id=agent_id)
    workspace.clock.remote.fault("GET", f"/v1/convai/agents/{agent_id}", "status", status=403, times=2)
    sync_all()
    workspace.line.refresh_from_db()
    assert (workspace.line.agent, workspace.line.bound_to) == (None, agent_id)
    workspace.sync()
    workspace.line.refresh_from_db()
    assert workspace.line.agent == Agent.objects.get(remote_id=agent_id)
    assert OutsideChange.objects.filter(object_id=workspace.line.remote_id).count() == 1


def test_the_first_sync_records_no_change(clock):
    clock.remote.console("create_agent", name="Support Bot")
    sync_all()
    assert Agent.objects.exists()
    assert not OutsideChange.objects.exists()
