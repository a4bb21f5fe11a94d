"""Whatever a change did to an agent's JSON, the patch made of its two sides leads back, and its check fits what is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.back import back, tools_themselves
from controlplane.mirror.paths import flatten, get, nest

LEAVES = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["", "x", None]), st.lists(st.integers(0, 2)))
TREES = st.dictionaries(
    st.sampled_from(["a", "b", "c.d", "~e"]),
    st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c.d"]), inner, max_size=3)),
    max_size=3,
)
PROMPT = "conversation_config.agent.prompt"


def merged(old: Any, patch: Any) -> Any:
    """As ElevenLabs takes a patch: docs/assumptions.md, 12."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(old) if isinstance(old, dict) else {}
    return kept | {key: merged(kept.get(key), value) for key, value in patch.items()}


def told(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two sides as the ledger keeps them: only what differs."""
    old, new = flatten(before), flatten(after)
    differs = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    return {path: old[path] for path in differs if path in old}, {path: new[path] for path in differs if path in new}


def filled(tree: dict[str, Any]) -> dict[str, Any]:
    """Without what is null or empty: "not set" and "cleared" read the same."""
    return {path: value for path, value in flatten(tree).items() if value is not None and value != {}}


@given(TREES, TREES)
def test_it_leads_back_from_anywhere(before, after):
    values, shown = back(*told(before, after))
    assert {path: get(after, path) for path in values} == shown, "the check would take it for changed meanwhile"
    assert filled(merged(after, nest(values))) == filled(before)


def test_only_what_differs_is_sent():
    values, _ = back(*told({"name": "A", "tags": ["x"]}, {"name": "B", "tags": ["x"]}))
    assert values == {"name": "A"}


def test_of_tools_and_their_ids_one_is_sent():
    before = {f"{PROMPT}.tools": [{"name": "old"}], f"{PROMPT}.tool_ids": ["t1"]}
    after = {f"{PROMPT}.tools": [{"name": "new"}], f"{PROMPT}.tool_ids": ["t2"]}
    assert back(before, after) == ({f"{PROMPT}.tool_ids": ["t1"]}, {f"{PROMPT}.tool_ids": ["t2"]})


@pytest.mark.parametrize(("path", "themselves"), [(f"{PROMPT}.tools", True), (f"{PROMPT}.tool_ids", False)])
def test_a_tool_that_was_changed_itself_is_not_the_agents(path, themselves):
    values, _ = back({path: [1]}, {path: [2]})
    assert tools_themselves(values) == themselves
