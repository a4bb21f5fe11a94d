"""A change of a workflow changes nothing else at ElevenLabs.

The tests compare the whole agent at the remote before and after, for both ways in which the service may handle an
incomplete workflow (docs/assumptions.md, 12)."""

import json
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agents import workflow
from agents.models import Agent
from agents.revert_patch import revert_patch
from agents.settings_json import parse
from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import flatten, get
from controlplane.mirror.models import OutsideChange
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation, State
from numbers import revert, undo
from numbers.sync import sync_all
from tests import agent_writes as services
from tests.agents.conftest import at_remote, opened, stored, url_of
from tests.api.caller import Caller, person
from tests.crossed import cases

CONDITION = {"type": "llm", "condition": "The caller asks for a refund"}
WORKFLOW: dict[str, Any] = {
    "nodes": {
        "start": {"type": "start", "position": {"x": 0.0, "y": 0.0}, "edge_order": ["e1"]},
        "a": {
            "type": "override_agent",
            "label": "Old",
            "conversation_config": {},
            "additional_tool_ids": ["tool_1"],
            "edge_order": ["e2"],
            "made.by a later release": {"kept": [1, {"two": None}]},
        },
        "b": {"type": "standalone_agent", "agent_id": "agent_x", "label": "Refunds"},
    },
    "edges": {
        "e1": {"source": "start", "target": "a", "forward_condition": {"type": "unconditional"}},
        "e2": {"source": "a", "target": "b", "forward_condition": CONDITION},
    },
    "prevent_subagent_loops": False,
}


@pytest.fixture(params=["refuses", pytest.param("replaces", marks=pytest.mark.slow)])
def agent(request, remote, db) -> Agent:
    remote.settings(workflow=request.param)
    body = {"name": "Support Bot", "conversation_config": {}, "workflow": WORKFLOW}
    made = remote.call("POST", "/v1/convai/agents/create", json=body)
    assert made.ok, made.text
    agent = stored(made.json()["agent_id"])
    assert at_remote(remote, agent)["workflow"] == WORKFLOW
    return agent


def differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """{path: value after} of everything that differs, except the time and number of the version."""
    old, new = flatten(before), flatten(after)
    paths = {path for path in {**old, **new} if old.get(path) != new.get(path)}
    return {path: new.get(path) for path in paths - {"metadata.updated_at_unix_secs", "version_id"}}


def whole_with_another_label() -> dict[str, Any]:
    nodes = WORKFLOW["nodes"]
    return {**WORKFLOW, "nodes": {**nodes, "a": {**nodes["a"], "label": "New"}}}


CHANGES = {
    "one label": ({"nodes": {"a": {"label": "New"}}}, {"workflow.nodes.a.label": "New"}),
    "the whole with one difference": (whole_with_another_label(), {"workflow.nodes.a.label": "New"}),
    "an edge": (
        {"edges": {"e2": {"forward_condition": {"condition": "Anything"}}}},
        {"workflow.edges.e2.forward_condition.condition": "Anything"},
    ),
    "a new node and edge": (
        {"nodes": {"c": {"type": "end"}}, "edges": {"e3": {"source": "a", "target": "c"}}},
        {"workflow.nodes.c.type": "end", "workflow.edges.e3.source": "a", "workflow.edges.e3.target": "c"},
    ),
    "a removed node": (
        {"nodes": {"b": None, "a": {"edge_order": []}}, "edges": {"e2": None}},
        {
            **{f"workflow.nodes.b.{key}": None for key in ("type", "agent_id", "label")},
            **{f"workflow.edges.e2.{key}": None for key in ("source", "target")},
            **{f"workflow.edges.e2.forward_condition.{key}": None for key in CONDITION},
            "workflow.nodes.a.edge_order": [],
        },
    ),
    "subagent loops": ({"prevent_subagent_loops": True}, {"workflow.prevent_subagent_loops": True}),
}


@pytest.mark.parametrize(
    ("agent", "change"),
    cases(product(["refuses", "replaces"], CHANGES), [*product(["refuses"], CHANGES), ("replaces", "one label")]),
    indirect=["agent"],
)
def test_nothing_else_changes(change, agent, remote, save):
    typed, expected = CHANGES[change]
    before = at_remote(remote, agent)
    response = save(agent, patch=json.dumps({"workflow": typed}))
    assert response.status_code == 302, response.context["form"].errors
    operation = Operation.objects.get()
    assert (operation.state, "not requested" in operation.message) == (State.DONE, False), operation.message
    assert differing(before, at_remote(remote, agent)) == expected


@pytest.mark.parametrize("change", ["one label", "a removed node"])
def test_an_undo_brings_back_just_that(change, agent, remote, save):
    before = at_remote(remote, agent)
    save(agent, patch=json.dumps({"workflow": CHANGES[change][0]}))
    operation = undo.execute(Entry.objects.get(kind="agent.changed"), ActionContext(key="undo", actor=None))
    assert operation.state == State.DONE, operation.message
    assert differing(before, at_remote(remote, agent)) == {}


@pytest.mark.parametrize("change", ["one label", "a new node and edge", "a removed node"])
def test_a_revert_of_an_external_change_brings_back_just_that(change, agent, remote):
    sync_all()
    before = at_remote(remote, agent)
    changed = workflow.merged(before["workflow"], CHANGES[change][0])
    remote.console("patch_agent", agent_id=agent.remote_id, patch={"workflow": changed})
    sync_all()
    operation = revert.execute(OutsideChange.objects.get(), ActionContext(key="revert", actor=None))
    assert operation.state == State.DONE, operation.message
    assert differing(before, at_remote(remote, agent)) == {}


def test_a_change_made_in_the_console_meanwhile_stays(agent, remote, save):
    """The page showed the old edge, and only the label is submitted."""
    edge = {"edges": {"e2": {"forward_condition": {"condition": "From the console"}}}}
    changed = workflow.merged(WORKFLOW, edge)
    remote.console("patch_agent", agent_id=agent.remote_id, patch={"workflow": changed})
    before = at_remote(remote, agent)
    services.update(
        agent,
        values={"workflow.nodes.a.label": "New"},
        shown={"workflow.nodes.a.label": "Old"},
        key="label",
        actor=None,
    )
    assert differing(before, at_remote(remote, agent)) == {"workflow.nodes.a.label": "New"}


def test_a_copy_is_whole_and_the_original_stays(agent, remote):
    before = at_remote(remote, agent)
    operation = services.duplicate(agent, name="Copy", key="copy", actor=None)
    assert operation.state == State.DONE
    assert differing(before, at_remote(remote, agent)) == {}
    assert remote.get(f"/v1/convai/agents/{operation.object_id}")["workflow"] == WORKFLOW


def test_the_api_too_sends_it_whole_on_create_and_on_change(agent, remote):
    olga = Caller(person("oscar", "Operators"))
    before = at_remote(remote, agent)
    answer = olga("PATCH", f"/agents/{agent.remote_id}", {"settings": {"workflow": {"nodes": {"a": {"label": "New"}}}}})
    assert answer.status_code == 200, answer.content
    assert differing(before, at_remote(remote, agent)) == {"workflow.nodes.a.label": "New"}

    answer = olga("POST", "/agents", {"name": "Second", "settings": {"workflow": WORKFLOW}})
    assert answer.status_code == 201, answer.content
    assert remote.get(f"/v1/convai/agents/{answer.json()['object_id']}")["workflow"] == WORKFLOW


NO_WORKFLOWS: list[tuple[Any, str]] = [
    ({"nodes": {"c": {"label": "No type"}}}, "“workflow.nodes.c” needs “type”"),
    ({"edges": {"e9": {"source": "a"}}}, "“workflow.edges.e9” needs “target”"),
    ({"edges": {"e9": {"source": "a", "target": "zz"}}}, "“zz”, which does not exist"),
    ({"nodes": {"b": None}}, "The target of edge “e2” is “b”"),
    ({"edges": {"e2": None}}, "lists the edge “e2” in its edge_order"),
    ({"nodes": {"a": {"label": 5}}}, "“workflow.nodes.a.label” has to be a text"),
    ({"nodes": {"a": {"type": "teleport"}}}, "“workflow.nodes.a.type” has to be one of"),
    ({"nodes": None}, "“workflow.nodes” cannot be removed as a whole"),
    ({"nodes": {"start": None, "a": None, "b": None}, "edges": {"e1": None, "e2": None}}, "cannot be empty"),
    (None, "has to be an object"),
    ([], "has to be an object"),
]


def test_what_would_not_be_a_workflow_is_refused_before_sending(agent, remote, operator):
    before, url = at_remote(remote, agent), url_of("change", agent)
    body = opened(operator, url)
    for typed, words in NO_WORKFLOWS:
        response = operator.post(url, body | {"key": str(uuid4()), "patch": json.dumps({"workflow": typed})})
        assert response.status_code == 422, typed
        assert words in str(response.context["form"].errors["patch"])
    assert not remote.calls(method="PATCH")
    assert at_remote(remote, agent) == before


@pytest.mark.parametrize("agent", ["replaces"], indirect=True)
def test_a_value_that_is_there_already_is_no_change(agent, remote, save):
    """Null for a missing or default value, and an empty object for an object with content."""
    typed = {"prevent_subagent_loops": None, "nodes": {"a": {"entry_behavior": None}, "b": {}, "zz": None}}
    save(agent, patch=json.dumps({"workflow": typed}))
    assert Operation.objects.get().message.startswith("Nothing was sent")
    assert not remote.calls(method="PATCH")


@pytest.mark.parametrize("agent", ["replaces"], indirect=True)
def test_a_loss_at_the_remote_is_reported_at_once(agent, remote, save):
    """The service drops a node of the workflow that it received."""
    answer = at_remote(remote, agent)
    lost = workflow.merged(answer["workflow"], {"nodes": {"a": {"label": "New"}, "b": None}})
    remote.fault("PATCH", "/v1/convai/agents/*", "edit", when="after", body={"workflow": lost})
    save(agent, patch=json.dumps({"workflow": {"nodes": {"a": {"label": "New"}}}}))
    operation = Operation.objects.get()
    assert operation.state == State.DONE
    assert (
        "ElevenLabs also changed what was not requested: workflow node “b”. The history shows it" in operation.message
    )


def test_a_workflow_that_cannot_be_read_is_not_replaced(agent, remote):
    path = "workflow.prevent_subagent_loops"
    for shown in (None, [1, 2], "abc", 3):
        remote.console("overlay", id=agent.remote_id, set={"workflow": shown})
        operation = services.update(agent, values={path: True}, shown={path: None}, key=f"loops {shown}", actor=None)
        assert (operation.state, operation.sent_at) == (State.NOT_SENT, None), shown
        assert "no workflow of Support Bot" in operation.message


@pytest.mark.parametrize("agent", ["replaces"], indirect=True)
def test_a_condition_nested_without_end_is_refused_and_holds_nothing(agent, remote, save):
    expression = {"type": "boolean_literal", "value": True}
    for _ in range(92):
        expression = {"type": "eq_operator", "left": expression, "right": {"type": "boolean_literal", "value": True}}
    condition = {"type": "expression", "expression": expression}
    nested = {"edges": {"e2": {"forward_condition": condition}}}
    save(agent, patch=json.dumps({"workflow": nested}))
    assert not Operation.objects.filter(state__in=[State.INTENT, State.SENT]).exists()


def test_edges_without_nodes_are_no_workflow():
    assert workflow.problems({"edges": {"e": {"source": "x", "target": "y"}}}) == [
        "The source of edge “e” is “x”, which does not exist.",
        "The target of edge “e” is “y”, which does not exist.",
    ]


@pytest.mark.parametrize("agent", ["replaces"], indirect=True)
def test_true_is_not_one(agent, remote, save):
    """True in place of a number is a change, and is refused where it is not valid."""
    remote.console("patch_agent", agent_id=agent.remote_id, patch={"workflow": {**WORKFLOW, "later": 1}})
    agent = stored(agent.remote_id)
    save(agent, patch='{"workflow": {"later": true, "nodes": {"start": {"position": {"x": 0}}}}}')
    assert Operation.objects.get().params["set"] == {"workflow.later": True}
    assert at_remote(remote, agent)["workflow"]["later"] is True
    response = save(stored(agent.remote_id), patch='{"workflow": {"prevent_subagent_loops": 0}}')
    assert "“workflow.prevent_subagent_loops” has to be true or false" in str(response.context["form"].errors["patch"])


def test_nodes_may_be_called_tools_and_tool_ids():
    nodes = {name: {"type": "end"} for name in ("tools", "tool_ids")}
    values = parse(json.dumps({"workflow": {"nodes": nodes}}))
    assert set(values) == {"workflow.nodes.tools.type", "workflow.nodes.tool_ids.type"}
    assert revert_patch(values, {}, {}) == values


def test_the_excerpt_is_that_of_the_official_document():
    official = Path(__file__).resolve().parents[3] / "shared" / "elevenlabs-openapi-full.json"
    if not official.exists():
        pytest.skip("The official document is not here.")
    shipped = json.loads(workflow.SCHEMA_FILE.read_text())
    assert shipped == workflow.excerpt(json.loads(official.read_text()))


def test_a_node_of_a_later_release_is_no_obstacle():
    newer = workflow.merged(WORKFLOW, {"nodes": {"n": {"type": "hologram", "beam": 1}}})
    assert workflow.problems(newer), "it does not match the OpenAPI document"
    assert workflow.problems(workflow.changed(newer, {"workflow.nodes.n.beam": 2}), newer) == []
    assert get({"workflow": newer}, "workflow.nodes.n.beam") == 1, "data that was read is left unchanged"
