"""A user of the ElevenLabs console, and the ledger that distinguishes their writes from those of the API."""

import threading
from pathlib import Path

import pytest
import requests

from controlplane.sandbox.http_server import Handler, Server
from controlplane.sandbox.messages import Answer
from controlplane.sandbox.state import SandboxState
from controlplane.sandbox.storage import Storage
from tests.sandbox_process import Sandbox


def test_actions_and_ledger(sandbox: Sandbox) -> None:
    agent_id = sandbox.create_agent("Bot")
    number_id = sandbox.import_number()
    seen = sandbox.ledger()[-1]["id"]
    sandbox.console("assign", number=number_id, agent_id=agent_id)
    sandbox.console("assign", number=number_id, agent_id=None)
    sandbox.console("patch_number", number=number_id, patch={"label": "Renamed"})
    sandbox.console("rename_agent", agent_id=agent_id, name="Renamed")
    sandbox.console("archive_agent", agent_id=agent_id)
    sandbox.console("unarchive_agent", agent_id=agent_id)
    sandbox.console("patch_agent", agent_id=agent_id, patch={"conversation_config": {"agent": {"first_message": "Hi"}}})
    made = sandbox.console("create_agent", name="Made there")["agent_id"]
    sandbox.console("add_number", phone_number="+15551239999", agent_id=made)
    sandbox.console("delete_agent", agent_id=made)
    sandbox.console("delete_number", number=number_id)
    entries = sandbox.ledger(since=seen)
    assert {entry["by"] for entry in entries} == {"console"}
    assert [entry["kind"] for entry in entries] == [
        "update_number",
        "update_number",
        "update_number",
        "update_agent",
        "update_agent",
        "update_agent",
        "update_agent",
        "create_agent",
        "import_number",
        "delete_agent",
        "delete_number",
    ]
    assert (entries[0]["before"]["agent_id"], entries[0]["after"]["agent_id"]) == (None, agent_id)
    assert entries[0]["phone_number"] == "+15551230001"
    assert [entry["after"]["archived"] for entry in entries[4:6]] == [True, False]
    assert entries[-1]["after"] is None


def test_a_refused_write_is_not_in_the_ledger(sandbox: Sandbox) -> None:
    number_id = sandbox.import_number()
    sandbox.call("PATCH", f"/v1/convai/phone-numbers/{number_id}", json={"agent_id": "agent_none"})
    assert len(sandbox.ledger()) == 1
    patch = {"action": "patch_number", "number": number_id, "patch": {"label": 5}}
    for wrong in ({"action": "dance"}, patch):
        assert sandbox.call("POST", "/_sandbox/console", json=wrong).status_code == 422


def test_trace_of_a_write(sandbox: Sandbox) -> None:
    response = sandbox.call("POST", "/v1/convai/agents/create", json={"conversation_config": {}})
    (entry,) = sandbox.ledger()
    assert entry["trace_id"] == response.headers["x-trace-id"]
    assert (entry["method"], entry["path"]) == ("POST", "/v1/convai/agents/create")


def test_overlay_shows_anything(sandbox: Sandbox) -> None:
    sandbox.settings(listed_after=0)
    agent_id, number_id = sandbox.create_agent(), sandbox.import_number()
    sandbox.console("overlay", id=agent_id, set={"name": "a\x00b\ud800", "created_at_unix_secs": 10**18})
    sandbox.console("overlay", id=number_id, set={"provider": "carrier_pigeon", "label": None})
    text = sandbox.call("GET", "/v1/convai/agents").text
    assert r"a\u0000b\ud800" in text
    assert "1000000000000000000" in text
    (number,) = sandbox.get("/v1/convai/v2/phone-numbers")["phone_numbers"]
    assert (number["provider"], number["label"]) == ("carrier_pigeon", None)
    sandbox.console("overlay", id=number_id, set=None)
    assert sandbox.get(f"/v1/convai/phone-numbers/{number_id}")["provider"] == "twilio"


def test_a_call_is_over_before_its_answer_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a caller that sends the next call after its response would be counted twice."""
    state = Storage(tmp_path / "state.sqlite3")
    server = Server(("127.0.0.1", 0), SandboxState(state, {}))
    log, write = server.world.calls, Handler.write
    under_way: list[int] = []

    def seen(handler: Handler, answer: Answer, trace_id: str) -> None:
        under_way.append(log.in_flight)
        write(handler, answer, trace_id)

    monkeypatch.setattr(Handler, "write", seen)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/convai/agents"
    assert requests.get(url, headers={"xi-api-key": Sandbox.key}, timeout=60).status_code == 200
    server.shutdown()
    server.server_close()
    state.close()
    assert (under_way, log.total, log.peak_in_flight) == ([0], 1, 1)


def test_calls_are_counted(sandbox: Sandbox) -> None:
    sandbox.get("/v1/convai/agents", page_size=1)
    sandbox.call("GET", "/v1/convai/agents/agent_none")
    report = sandbox.call_report()
    assert [(call["path"], call["query"], call["status"]) for call in report["calls"]] == [
        ("/v1/convai/agents", "page_size=1", 200),
        ("/v1/convai/agents/agent_none", "", 404),
    ]
    assert (report["total"], report["in_flight"], report["peak_in_flight"]) == (2, 0, 1)
    assert len(sandbox.calls(since=report["calls"][0]["id"])) == 1
    assert len(sandbox.calls(path="*/agent_none")) == 1
