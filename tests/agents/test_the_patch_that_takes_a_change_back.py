"""The patch computed from both sides of a change restores the agent's JSON, whatever the change was."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents import workflow
from agents.revert_patch import changes_a_tool, revert_patch
from controlplane.mirror.json_paths import flatten, get, nest

LEAVES = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["", "x", None]), st.lists(st.integers(0, 2)))
TREES = st.dictionaries(
    st.sampled_from(["a", "b", "c.d", "~e"]),
    st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c.d"]), inner, max_size=3)),
    max_size=3,
)
PROMPT = "conversation_config.agent.prompt"


def merged(old: Any, patch: Any) -> Any:
    """Apply a patch like ElevenLabs does: docs/assumptions.md, 12."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(old) if isinstance(old, dict) else {}
    return kept | {key: merged(kept.get(key), value) for key, value in patch.items()}


def recorded_sides(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two sides of a change as stored in the history: only the values that differ."""
    old, new = flatten(before), flatten(after)
    differs = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    return {path: old[path] for path in differs if path in old}, {path: new[path] for path in differs if path in new}


def filled(tree: dict[str, Any]) -> dict[str, Any]:
    """Without null and empty values, because "not set" and "cleared" are equivalent."""
    return {path: value for path, value in flatten(tree).items() if value is not None and value != {}}


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}


@pytest.fixture(params=[80, pytest.param(1000, marks=pytest.mark.slow)])
def examples(request: pytest.FixtureRequest) -> settings:
    """The short run always uses the same examples."""
    return settings(max_examples=request.param, derandomize=request.param < 1000, deadline=None, database=None)


def test_it_leads_back_from_anywhere(examples):
    @examples
    @given(TREES, TREES)
    def leads_back(before, after):
        values = revert_patch(*recorded_sides(before, after), after)
        assert filled(merged(after, nest(values))) == filled(before)

    leads_back()


def test_of_a_workflow_which_is_sent_whole_every_object_comes_back_empty_ones_too(examples):
    @examples
    @example({"n": {"b": {}}}, {"n": {"b": {}, "a": {}}})
    @given(TREES.map(_without_nulls), TREES.map(_without_nulls))
    def comes_back_whole(old, new):
        start = {"start": {"type": "start"}}
        before, after = ({"workflow": {"nodes": {**start, **tree}, "edges": {}}} for tree in (old, new))
        values = revert_patch(*recorded_sides(before, after), after)
        sent = workflow.changed(after["workflow"], values) if values else after["workflow"]
        assert sent == before["workflow"]

    comes_back_whole()


def test_nothing_that_the_change_left_alone_is_sent(examples):
    @examples
    @given(TREES, TREES)
    def leaves_alone(before, after):
        sent = nest(revert_patch(*recorded_sides(before, after), after))
        same = {path for path, value in filled(after).items() if filled(before).get(path) == value}
        assert all(get(merged(after, sent), path) == get(after, path) for path in same)

    leaves_alone()


@pytest.mark.parametrize("was", [{"custom_llm": None}, {}])
def test_an_object_that_came_whole_is_cleared_whole(was):
    before = {"nodes": {"start": {"type": "start"}}} | was
    now = {
        "nodes": {"start": {"type": "start"}, "n1": {"type": "say", "more": {"x": 1}, "label": None}},
        "custom_llm": {"url": "https://llm.example", "key": None},
    }
    assert revert_patch(*recorded_sides(before, now), now) == {"nodes.n1": None, "custom_llm": None}


def test_only_what_differs_is_sent():
    now = {"name": "B", "tags": ["x"]}
    assert revert_patch(*recorded_sides({"name": "A", "tags": ["x"]}, now), now) == {"name": "A"}


def test_of_tools_and_their_ids_one_is_sent():
    before = {f"{PROMPT}.tools": [{"name": "old"}], f"{PROMPT}.tool_ids": ["t1"]}
    after = {f"{PROMPT}.tools": [{"name": "new"}], f"{PROMPT}.tool_ids": ["t2"]}
    assert revert_patch(before, after, nest(after)) == {f"{PROMPT}.tool_ids": ["t1"]}


@pytest.mark.parametrize(("path", "themselves"), [(f"{PROMPT}.tools", True), (f"{PROMPT}.tool_ids", False)])
def test_a_tool_that_was_changed_itself_is_not_the_agents(path, themselves):
    assert changes_a_tool(revert_patch({path: [1]}, {path: [2]}, nest({path: [2]}))) == themselves
