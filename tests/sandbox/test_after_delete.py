"""What a number shows once its agent is deleted: the real service's behaviour is unknown, so all three variants."""

from typing import Any

from tests.sandbox_process import Sandbox


def orphan(sandbox: Sandbox, mode: str) -> tuple[str, dict[str, Any]]:
    sandbox.settings(after_delete=mode, listed_after=0)
    agent_id = sandbox.create_agent("Gone Bot")
    number_id = sandbox.import_number(agent_id=agent_id)
    sandbox.call("DELETE", f"/v1/convai/agents/{agent_id}")
    return agent_id, sandbox.get(f"/v1/convai/phone-numbers/{number_id}")


def of_agent(sandbox: Sandbox, agent_id: str) -> int:
    return len(sandbox.get("/v1/convai/v2/phone-numbers", agent_id=agent_id)["phone_numbers"])


def test_dangling(sandbox: Sandbox) -> None:
    agent_id, number = orphan(sandbox, "dangling")
    assert number["assigned_agent"]["agent_id"] == agent_id
    assert number["assigned_agent"]["agent_name"] == "Gone Bot"
    assert of_agent(sandbox, agent_id) == 1
    assert sandbox.call("GET", f"/v1/convai/agents/{agent_id}").status_code == 404


def test_null_shows_nothing_but_is_bound_still(sandbox: Sandbox) -> None:
    agent_id, number = orphan(sandbox, "null")
    assert number["assigned_agent"] is None
    assert of_agent(sandbox, agent_id) == 1


def test_released(sandbox: Sandbox) -> None:
    agent_id, number = orphan(sandbox, "released")
    assert number["assigned_agent"] is None
    assert of_agent(sandbox, agent_id) == 0
    assert [(entry["kind"], entry["by"]) for entry in sandbox.ledger()[-2:]] == [
        ("update_number", "remote"),
        ("delete_agent", "api"),
    ]


def test_an_orphan_can_be_given_to_another(sandbox: Sandbox) -> None:
    _, number = orphan(sandbox, "dangling")
    other = sandbox.create_agent("Other")
    path = f"/v1/convai/phone-numbers/{number['phone_number_id']}"
    assert sandbox.call("PATCH", path, json={"agent_id": other}).json()["assigned_agent"]["agent_name"] == "Other"
