"""A workspace filled to size."""

from pathlib import Path

from tests.sandbox_process import Sandbox


def test_hundred_thousand_numbers(tmp_path: Path) -> None:
    sandbox = Sandbox().start(tmp_path / "state.sqlite3", "--agents", "500", "--numbers", "100000")
    try:
        cursor, seen, unassigned = None, set(), 0
        while True:
            query = {"page_size": 1000, **({"cursor": cursor} if cursor else {})}
            page = sandbox.get("/v1/convai/v2/phone-numbers", **query)
            seen |= {number["phone_number"] for number in page["phone_numbers"]}
            unassigned += sum(number["assigned_agent"] is None for number in page["phone_numbers"])
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        assert len(seen) == 100_000
        assert unassigned == 10_000
        assert sandbox.ledger() == []  # nobody wrote these
    finally:
        sandbox.stop()


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
