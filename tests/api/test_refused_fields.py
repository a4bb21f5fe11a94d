"""A refusal names the field to correct, also when the operation is read later."""

import pytest

from tests.api.caller import problem

pytestmark = pytest.mark.django_db


def test_a_field_refused_before_sending(remote, workspace, call):
    remote.console("delete_agent", agent_id=workspace.sales.remote_id)
    request = ("PATCH", f"/numbers/{workspace.bound.remote_id}/assign", {"agent_id": workspace.sales.remote_id})
    first = problem(call(*request, key="k"), 409, "not-sent")
    assert [wrong["field"] for wrong in first["fields"]] == ["agent_id"]
    assert problem(call(*request, key="k"), 409, "not-sent") == first
    assert call.get(f"/operations/{first['operation']}")["error_fields"] == ["agent"]


def test_a_field_refused_by_elevenlabs(remote, workspace, call):
    body = {"detail": [{"loc": ["body", "name"], "msg": "too long", "type": "value_error"}]}
    remote.fault("PATCH", "/v1/convai/agents/*", "status", status=422, body=body)
    request = ("PATCH", f"/agents/{workspace.support.remote_id}", {"name": "New"})
    first = problem(call(*request, key="k"), 422, "refused")
    assert [wrong["field"] for wrong in first["fields"]] == ["name"]
    assert problem(call(*request, key="k"), 422, "refused") == first
