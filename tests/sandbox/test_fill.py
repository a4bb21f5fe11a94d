"""A workspace filled with a given number of objects."""

from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox


@pytest.mark.parametrize("numbers", [2_500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_the_requested_count_of_numbers(sandbox: Sandbox, numbers: int) -> None:
    sandbox.reset(agents=numbers // 200, numbers=numbers)
    cursor, seen, unassigned = None, set(), 0
    while True:
        query = {"page_size": 1000, **({"cursor": cursor} if cursor else {})}
        page = sandbox.get("/v1/convai/v2/phone-numbers", **query)
        seen |= {number["phone_number"] for number in page["phone_numbers"]}
        unassigned += sum(number["assigned_agent"] is None for number in page["phone_numbers"])
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert len(seen) == numbers
    assert unassigned == numbers // 10
    assert sandbox.ledger() == []  # they are not writes


@pytest.mark.process
def test_fill_goes_up_to_so_many(tmp_path: Path) -> None:
    sandbox = Sandbox().start(tmp_path / "state.sqlite3", "--agents", "5", "--numbers", "12")
    sandbox.console("add_number", phone_number="+16175550100")
    sandbox.stop()
    sandbox = Sandbox().start(tmp_path / "state.sqlite3", "--agents", "8", "--numbers", "20", "--listed-after", "0")
    try:
        sandbox.advance(5)
        assert len(sandbox.get("/v1/convai/agents")["agents"]) == 8
        assert len(sandbox.get("/v1/convai/phone-numbers")) == 20
    finally:
        sandbox.stop()


def test_filled_agents_can_be_changed(sandbox: Sandbox) -> None:
    sandbox.reset(agents=12)
    for agent in sandbox.get("/v1/convai/agents")["agents"]:
        response = sandbox.call(
            "PATCH",
            f"/v1/convai/agents/{agent['agent_id']}",
            json={"conversation_config": {"agent": {"first_message": "Hi"}}},
        )
        assert response.ok, response.text
