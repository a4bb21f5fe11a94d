"""How it starts, when it refuses to start, and how it stops."""

import socket
from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox, SandboxFailed

pytestmark = pytest.mark.process


@pytest.mark.smoke
def test_ready_line_switches_and_clean_stop(tmp_path: Path) -> None:
    args = ("--listed-after", "0", "--after-delete", "null", "--latency", "1", "--agents", "2", "--numbers", "3")
    sandbox = Sandbox().start(tmp_path / "deep" / "state.sqlite3", *args)
    assert sandbox.url.startswith("http://127.0.0.1:")
    settings = sandbox.settings()
    assert (settings["listed_after"], settings["after_delete"], settings["latency_ms"]) == (0.0, "null", 1.0)
    sandbox.settings(after_delete="released")
    sandbox.reset()
    assert sandbox.settings() == settings
    assert sandbox.stop() == 0
    assert (tmp_path / "deep" / "state.sqlite3.log").read_text() == ""


def test_stops_while_a_call_hangs(tmp_path: Path) -> None:
    sandbox = Sandbox().start(tmp_path / "state.sqlite3")
    sandbox.fault("GET", "*", "hang")
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as connection:
        connection.sendall(b"GET /v1/user HTTP/1.1\r\nhost: x\r\n\r\n")
        sandbox.wait_for_call("GET", "/v1/user")
        assert sandbox.stop() == 0


def test_port_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(SandboxFailed, match=f"exit 1: Cannot listen on port {port} .*--port PORT") as failed:
            Sandbox().start(tmp_path / "state.sqlite3", "--port", port)
    assert "Traceback" not in str(failed.value)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--port", "99999"), "There is no port 99999"),
        (("--listed-after", "-1"), "Not a valid switch"),
    ],
)
def test_wrong_options(tmp_path: Path, args: tuple[str, str], text: str) -> None:
    with pytest.raises(SandboxFailed, match=f"exit 1: {text}"):
        Sandbox().start(tmp_path / "state.sqlite3", *args)


def test_a_file_that_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database" * 100)
    with pytest.raises(SandboxFailed, match=r"exit 1: Cannot use the state file .*--state FILE"):
        Sandbox().start(tmp_path / "notes.txt")


def test_two_sandboxes_on_one_file(tmp_path: Path) -> None:
    first = Sandbox().start(tmp_path / "state.sqlite3")
    try:
        with pytest.raises(SandboxFailed, match="exit 1: Cannot use the state file"):
            Sandbox().start(tmp_path / "state.sqlite3")
        assert first.call("GET", "/v1/user").ok
    finally:
        first.stop()
