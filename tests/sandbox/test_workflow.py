"""What a PATCH does with `workflow`: docs/assumptions.md, 12."""

from typing import Any

import pytest

from tests.sandbox_process import Sandbox

WHOLE: dict[str, Any] = {
    "nodes": {"start": {"type": "start"}, "a": {"type": "end", "label": "Bye"}},
    "edges": {"e": {"source": "start", "target": "a"}},
    "prevent_subagent_loops": True,
}
FRAGMENT = {"nodes": {"a": {"label": "New"}}}


@pytest.fixture
def url(sandbox: Sandbox) -> str:
    body = {"conversation_config": {}, "workflow": WHOLE}
    return f"/v1/convai/agents/{sandbox.call('POST', '/v1/convai/agents/create', json=body).json()['agent_id']}"


def patched(sandbox: Sandbox, url: str, workflow: Any) -> tuple[int, Any]:
    """The status, and the workflow that GET shows afterwards."""
    status = sandbox.call("PATCH", url, json={"workflow": workflow}).status_code
    return status, sandbox.get(url)["workflow"]


def test_a_fragment_replaces_everything(sandbox: Sandbox, url: str) -> None:
    assert patched(sandbox, url, FRAGMENT) == (200, {"edges": {}, **FRAGMENT, "prevent_subagent_loops": False})


@pytest.mark.parametrize(
    "workflow",
    [FRAGMENT, {"nodes": {}}, {"edges": {"e": {"source": "start"}}}, {"nodes": {"a": {"type": "teleport"}}}, None],
)
def test_or_is_refused(sandbox: Sandbox, url: str, workflow: Any) -> None:
    sandbox.settings(workflow="refuses")
    assert patched(sandbox, url, workflow) == (422, WHOLE)


def test_a_whole_one_is_taken_either_way(sandbox: Sandbox, url: str) -> None:
    changed = {**WHOLE, "prevent_subagent_loops": False}
    for behaviour in ("replaces", "refuses"):
        sandbox.settings(workflow=behaviour)
        assert patched(sandbox, url, changed) == (200, changed)


def test_null_answers_200_and_changes_nothing(sandbox: Sandbox, url: str) -> None:
    assert patched(sandbox, url, None) == (200, WHOLE)
