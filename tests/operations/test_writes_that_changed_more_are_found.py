"""`manage.py find_unrequested_changes` finds in the history what a write changed beyond what was requested."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from agents.models import Agent
from controlplane.elevenlabs import ElevenLabs
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import State
from numbers import undo
from tests import agent_writes as services
from tests import number_writes as numbers
from tests.operations.writes import agent, mirrored_agent, number

pytestmark = pytest.mark.django_db

WORKFLOW = {
    "nodes": {"start": {"type": "start"}, "a": {"type": "override_agent", "label": "Old"}, "b": {"type": "end"}},
    "edges": {"e1": {"source": "start", "target": "a"}, "e2": {"source": "a", "target": "b"}},
}
LOST = {
    "workflow.nodes.start.type": ["start", None],
    "workflow.nodes.a.type": ["override_agent", None],
    "workflow.nodes.b.type": ["end", None],
    **{
        f"workflow.edges.{name}.{end}": [node, None]
        for name, edge in WORKFLOW["edges"].items()
        for end, node in edge.items()
    },
}


def found(*args: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("find_unrequested_changes", *args, stdout=out)
    except SystemExit as end:
        return int(end.code), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def damaged(clock, monkeypatch) -> Agent:
    """An agent that lost nodes and edges because a write sent a fragment, as releases until 2026-11-27 did."""
    made = clock.remote.call("POST", "/v1/convai/agents/create", json={"conversation_config": {}, "workflow": WORKFLOW})
    row = mirrored_agent(made.json()["agent_id"])
    whole = ElevenLabs.update_agent

    def fragment(self, agent_id, patch):
        return whole(self, agent_id, {"workflow": {"nodes": {"a": {"label": "New"}}}})

    monkeypatch.setattr(ElevenLabs, "update_agent", fragment)
    path = "workflow.nodes.a.label"
    services.update(row, values={path: "New"}, shown={path: "Old"}, key="label", actor=None)
    monkeypatch.undo()
    return row


def test_a_lost_workflow_is_found_with_its_values_and_undone(damaged, clock):
    status, text = found("--workflow", "--json")
    [finding] = [json.loads(line) for line in text.splitlines()]
    assert (status, finding["removed"], finding["changed"], finding["added"]) == (3, LOST, {}, {})

    status, text = found("--workflow")
    assert 'removed workflow.nodes.b.type: "end"' in text
    assert "1 write changed more than was requested." in text

    entry = undo.Entry.objects.get(pk=finding["entry"])
    assert undo.execute(entry, ActionContext(key="undo", actor=None)).state == State.DONE
    now = clock.remote.get(f"/v1/convai/agents/{damaged.remote_id}")["workflow"]
    assert now == {**WORKFLOW, "prevent_subagent_loops": False}


def test_writes_that_changed_just_what_was_requested_are_not(clock):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    services.update(old, values={"name": "New"}, shown={"name": old.name}, key="1", actor=None)
    services.archive(old, archived=True, key="2", actor=None)
    numbers.assign(line, to, shown=old.remote_id, key="3", actor=None)
    numbers.set_label(line, "Night", shown="Main", key="4", actor=None)
    assert found() == (0, "No write of this history changed more than was requested.\n")
