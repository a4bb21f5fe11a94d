"""Nothing is sent if the state differs from what the caller expects."""

import pytest

from agents.models import Agent
from tests.api.caller import problem

pytestmark = pytest.mark.django_db


def test_expected_agent_id_is_like_if_match(remote, workspace, call):
    path, sales = f"/numbers/{workspace.bound.remote_id}", workspace.sales.remote_id
    for wrong in (None, "agent_of_somebody_else"):
        error = problem(
            call("PATCH", f"{path}/assign", {"agent_id": sales, "expected_agent_id": wrong}), 409, "not-sent"
        )
        assert "with Support Bot" in error["detail"]
    for wrong in ("", sales):
        problem(call("DELETE", f"{path}?expected_agent_id={wrong}"), 409, "not-sent")
    assert remote.calls(method="PATCH", path="/v1/*") == remote.calls(method="DELETE", path="/v1/*") == []
    right = {"agent_id": sales, "expected_agent_id": workspace.support.remote_id}
    assert call("PATCH", f"{path}/assign", right).status_code == 200
    assert call("DELETE", f"{path}?expected_agent_id={sales}").status_code == 200


def test_without_expected_agent_id_it_is_what_is_known_here(remote, workspace, call):
    remote.console("assign", number=workspace.bound.remote_id, agent_id=workspace.sales.remote_id)
    response = call("PATCH", f"/numbers/{workspace.bound.remote_id}/assign", {"agent_id": None})
    assert "with Sales Bot" in problem(response, 409, "not-sent")["detail"]


def test_an_agent_that_changed_meanwhile_is_left_alone(remote, workspace, call):
    path = f"/agents/{workspace.support.remote_id}"
    version = call.get(path)["version"]
    call("PATCH", path, {"first_message": "One"})
    response = call("PATCH", path, {"first_message": "Two", "expected_version": version})
    problem(response, 409, "changed-meanwhile")
    remote.console("patch_agent", agent_id=workspace.support.remote_id, patch={"name": "Theirs"})
    error = problem(call("PATCH", path, {"name": "Ours"}), 409, "not-sent")
    assert "changed meanwhile" in error["detail"]
    assert Agent.objects.get(pk=workspace.support.pk).name == "Theirs"
