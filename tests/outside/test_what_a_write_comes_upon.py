"""A write here reads the remote first. What it finds that somebody else changed is kept as an outside change, apart
from what the write itself does; and nothing of our own is ever taken for one."""

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


def test_a_label_set_here_does_not_swallow_a_move_made_there(scene):
    scene.console("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    op = numbers.set_label(scene.line, "Front", shown="Main", key="key", actor=scene.ada)
    assert op.state == State.DONE
    assert causes(scene.line.remote_id) == [("sync", ["agent_id", "agent_name"]), ("operation", ["label"])]
    change = OutsideChange.objects.get()
    assert (change.object_id, change.state, change.run) == (scene.line.remote_id, "open", None)
    assert change.since < change.found_at <= op.ended_at
    recover(scene.clock)
    assert OutsideChange.objects.count() == 1, "told once"


def test_a_prompt_saved_here_does_not_swallow_a_setting_changed_there(scene):
    patch = {"conversation_config": {"agent": {"prompt": {"temperature": 0.7}}}}
    scene.console("patch_agent", agent_id=scene.support.remote_id, patch=patch)
    op = agents.update(scene.support, values={PROMPT: "Ours."}, shown={PROMPT: ""}, key="key", actor=scene.ada)
    assert op.state == State.DONE
    assert causes(scene.support.remote_id) == [("sync", [TEMPERATURE]), ("operation", [PROMPT])]
    assert OutsideChange.objects.get().entry.after == {TEMPERATURE: 0.7}


def test_what_stops_a_write_is_kept_to_be_decided(scene):
    scene.console("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    op = numbers.assign(scene.line, None, shown=scene.support.remote_id, key="key", actor=scene.ada)
    assert op.state == State.NOT_SENT
    assert OutsideChange.objects.get().entry.after["agent_id"] == scene.sales.remote_id


def test_the_third_value_of_an_overtaken_write_is_kept_to_be_decided(scene):
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="before")
    op = numbers.set_label(scene.line, "Front", shown="Main", key="key", actor=scene.ada)
    scene.console("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    recover(scene.clock)
    op.refresh_from_db()
    assert op.state == State.OVERTAKEN
    assert OutsideChange.objects.get().entry.after == {"label": "Console line"}


# Each write with its answer; whose answer is lost is told to be ours by its verdict, one for each verb.
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
    OutsideChange.objects.all().delete()  # what the scene made by the console
    if answer == "is lost":
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")
    op = ask("key")
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.DONE, op.message
    assert [str(change) for change in OutsideChange.objects.all()] == []
    assert mirror_differs(clock.remote) == []


def test_an_agent_of_which_only_the_name_was_known_is_no_change_when_the_rest_comes(scene):
    scene.clock.remote.fault("GET", "/v1/convai/agents/*", "status", status=500, times=20)
    op = agents.create(name="New Bot", body={"conversation_config": {}}, key="key", actor=scene.ada)
    assert op.state == State.DONE
    assert Agent.objects.get(name="New Bot").remote_data == {}
    scene.clock.remote.clear_faults()
    scene.sync()
    assert Agent.objects.get(name="New Bot").remote_data
    assert not OutsideChange.objects.exists()


def test_to_learn_who_the_agent_of_a_number_is_is_no_change_of_the_number(scene):
    agent_id = scene.clock.remote.console("create_agent", name="Console Bot")["agent_id"]
    scene.console("assign", number=scene.line.remote_id, agent_id=agent_id)
    scene.clock.remote.fault("GET", f"/v1/convai/agents/{agent_id}", "status", status=403, times=2)
    sync_all()
    scene.line.refresh_from_db()
    assert (scene.line.agent, scene.line.bound_to) == (None, agent_id)
    scene.sync()
    scene.line.refresh_from_db()
    assert scene.line.agent == Agent.objects.get(remote_id=agent_id)
    assert OutsideChange.objects.filter(object_id=scene.line.remote_id).count() == 1


def test_the_first_picture_is_no_change(clock):
    clock.remote.console("create_agent", name="Support Bot")
    sync_all()
    assert Agent.objects.exists()
    assert not OutsideChange.objects.exists()
