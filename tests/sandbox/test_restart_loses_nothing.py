"""A sandbox that was stopped or killed restarts with the same state."""

import threading

import pytest
import requests

from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.process
WRITES = 50  # before it is killed


def snapshot(sandbox: Sandbox) -> list[object]:
    agents = sandbox.get("/v1/convai/agents", page_size=100)["agents"]
    return [
        agents,
        [sandbox.get(f"/v1/convai/agents/{agent['agent_id']}") for agent in agents],
        sandbox.get("/v1/convai/phone-numbers"),
        sandbox.ledger(),
        sandbox.settings(),
    ]


@pytest.mark.parametrize("way", ["stop", pytest.param("kill", marks=pytest.mark.smoke)])
def test_state_ledger_switches_and_clock(sandbox_of_its_own: Sandbox, way: str) -> None:
    sandbox = sandbox_of_its_own
    sandbox.reset(agents=5, numbers=20)
    sandbox.settings(listed_after=1000, after_delete="null")
    agent_id = sandbox.create_agent("Mine", agent={"first_message": "Hello"})
    number_id = sandbox.import_number(agent_id=agent_id)
    sandbox.fault("PATCH", "*", "status", when="late", late_seconds=2000)
    sandbox.call("PATCH", f"/v1/convai/phone-numbers/{number_id}", json={"label": "Late"})
    sandbox.advance(1000)
    before = snapshot(sandbox)
    assert getattr(sandbox, way)() == (0 if way == "stop" else -9)
    sandbox.restart()
    assert snapshot(sandbox) == before
    sandbox.advance(1000)
    assert sandbox.get(f"/v1/convai/phone-numbers/{number_id}")["label"] == "Late"


def test_killed_in_the_middle_of_writes(sandbox_of_its_own: Sandbox) -> None:
    """Every answered write is in the state afterwards, and the ledger matches the state exactly."""
    sandbox = sandbox_of_its_own
    answered: list[str] = []

    def write() -> None:
        session = requests.Session()
        session.headers["xi-api-key"] = sandbox.key
        try:
            while True:
                body = {"conversation_config": {}, "name": "Bot"}
                response = session.post(f"{sandbox.url}/v1/convai/agents/create", json=body, timeout=30)
                answered.append(response.json()["agent_id"])
        except requests.RequestException:
            return

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    seen = 0
    for _ in range(WRITES):
        seen = sandbox.wait_for_call("POST", since=seen, answered=True)["id"]
    sandbox.kill()
    for writer in writers:
        writer.join()
    sandbox.restart()
    there, cursor = [], None
    while True:
        page = sandbox.get("/v1/convai/agents", page_size=100, **({"cursor": cursor} if cursor else {}))
        there += [agent["agent_id"] for agent in page["agents"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(answered) >= WRITES
    assert set(answered) <= set(there)
    assert sorted(entry["object_id"] for entry in sandbox.ledger()) == sorted(there)
