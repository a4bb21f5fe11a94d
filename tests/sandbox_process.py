"""The sandbox as a separate process, with its control API as methods."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests

ROOT = Path(__file__).resolve().parent.parent
READY = "Sandbox ElevenLabs listening on "


class SandboxFailed(Exception):
    pass


class Sandbox:
    key = "sk_sandbox"

    def __init__(self) -> None:
        self.url = ""
        self.process: subprocess.Popen[str] | None = None
        self.started: tuple[Path, tuple[str, ...]] | None = None
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["xi-api-key"] = self.key

    # --- the process ---------------------------------------------------------------------------------------------
    def start(self, state: Path, *args: str) -> Self:
        """Start it and wait until it is ready, on a free port unless `args` names one. The log is at `<state>.log`."""
        if "--port" not in args:
            args = ("--port", "0", *args)
        log = state.with_name(state.name + ".log")
        state.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controlplane.sandbox", "--state", str(state), *args],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.started = (state, args)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            self.process.wait()
            raise SandboxFailed(f"exit {self.process.returncode}: {log.read_text()[-2000:]}")
        self.url = line.removeprefix(READY).strip()
        return self

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        return self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again with the same state and port."""
        assert self.started is not None
        state, args = self.started
        port = self.url.rpartition(":")[2]
        self.start(state, *("--port", port), *without_port(args))

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.session.close()
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    # --- the API, for direct calls by tests --------------------------------------------------------------------------
    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 60)
        return self.session.request(method, self.url + path, **options)

    def get(self, path: str, /, **params: Any) -> Any:
        response = self.call("GET", path, params=params)
        response.raise_for_status()
        return response.json()

    def create_agent(self, name: str = "Support Bot", **conversation_config: Any) -> str:
        body = {"name": name, "conversation_config": conversation_config}
        return self._ok("POST", "/v1/convai/agents/create", body)["agent_id"]

    def import_number(self, phone_number: str = "+15551230001", label: str = "Line", **more: Any) -> str:
        body = {
            "provider": "twilio",
            "phone_number": phone_number,
            "label": label,
            "sid": "AC" + "a" * 32,
            "token": "t",
        }
        return self._ok("POST", "/v1/convai/phone-numbers", {**body, **more})["phone_number_id"]

    # --- the control API: docs/sandbox.md -----------------------------------------------------------------------------
    def _ok(self, method: str, path: str, body: Any = None) -> Any:
        response = self.call(method, path, json=body)
        assert response.ok, (response.status_code, response.text[:2000])
        return response.json()

    def reset(self, agents: int = 0, numbers: int = 0) -> None:
        """Reset everything: objects, settings, clock, faults and ledger."""
        self._ok("POST", "/_sandbox/reset", {"agents": agents, "numbers": numbers})

    def fault(self, method: str, path: str, fault: str, **more: Any) -> None:
        """One scripted fault: `fault("PATCH", "/v1/convai/agents/*", "status", status=500, when="after")`."""
        if isinstance(more.get("raw"), bytes):  # a body that is not JSON
            more["raw"] = base64.b64encode(more["raw"]).decode()
        self.faults([{"method": method, "path": path, "fault": fault, **more}])

    def faults(self, script: list[dict[str, Any]]) -> None:
        self._ok("POST", "/_sandbox/faults", script)

    def clear_faults(self) -> None:
        """Remove all scripted faults and release every call that hangs, pauses or drips."""
        self._ok("DELETE", "/_sandbox/faults")

    def waiting_faults(self) -> list[dict[str, Any]]:
        return self._ok("GET", "/_sandbox/faults")

    def ledger(self, since: int = 0) -> list[dict[str, Any]]:
        return self._ok("GET", f"/_sandbox/ledger?since={since}")["entries"]

    def calls(self, since: int = 0, method: str = "*", path: str = "*") -> list[dict[str, Any]]:
        return self.call_report(since, method, path)["calls"]

    def call_report(self, since: int = 0, method: str = "*", path: str = "*", **more: Any) -> dict[str, Any]:
        """The calls, and `total`, `last_id`, `in_flight`, `peak_in_flight`."""
        return self.get("/_sandbox/calls", since=since, method=method, path=path, **more)

    def wait_for_call(
        self, method: str = "*", path: str = "*", since: int = 0, *, answered: bool = False, seconds: float = 30
    ) -> dict[str, Any]:
        """Wait for the first matching call after `since` to arrive or, with `answered`, to be answered."""
        calls = self.call_report(since, method, path, wait=seconds, answered=answered)["calls"]
        assert calls, f"no {method} {path} within {seconds} s"
        return calls[0]

    def settings(self, **changes: Any) -> dict[str, Any]:
        return self._ok("PATCH", "/_sandbox/settings", changes) if changes else self._ok("GET", "/_sandbox/settings")

    def console(self, action: str, **details: Any) -> dict[str, Any]:
        """Do something in the ElevenLabs console: `console("assign", number=..., agent_id=...)`."""
        if action == "overlay" and details.get("set") is not None:
            details["set"] = json.dumps(details["set"])  # as text, because JSON libraries refuse some of the values
        return self._ok("POST", "/_sandbox/console", {"action": action, **details})

    def advance(self, seconds: float) -> float:
        return self._ok("POST", "/_sandbox/clock", {"advance": seconds})["now"]


def without_port(args: tuple[str, ...]) -> tuple[str, ...]:
    at = args.index("--port")
    return args[:at] + args[at + 2 :]
