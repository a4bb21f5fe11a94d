"""Writes that take effect long after their caller was given an error.

They are stored in the state file, so that a restart does not lose them. An import's credentials are replaced first,
after a trial run has shown that the service would have accepted it.
"""

import json
from urllib.parse import parse_qs

from . import app
from .auth import KEY
from .errors import Refusal
from .messages import Answer, Request
from .state import SandboxState

STAND_INS = {
    "sid": "AC" + "1" * 32,
    "token": "withheld",
    "account_auth_token": "withheld",
    "api_key": "withheld",
    "api_token": "withheld",
    "account_sid": "withheld",
    "region_config": None,
}


class TrialOver(Exception):
    pass


def postpone(world: SandboxState, request: Request, seconds: float) -> Answer | None:
    """None if the write was accepted for later; otherwise the refusal that the caller gets at once."""
    try:
        route_and_call = app.prepared(world, request)
        with world.state.transaction():
            route_and_call[0].endpoint(route_and_call[1])
            raise TrialOver
    except Refusal as refusal:
        return refusal.answer(request.trace_id)
    except TrialOver:
        pass
    with world.state.transaction():
        due = world.state.now() + seconds
        world.state.db.execute(
            "INSERT INTO late_writes (due, trace_id, method, path, query, body) VALUES (?, ?, ?, ?, ?, ?)",
            (due, request.trace_id, request.method, request.path, request.query_text, without_secrets(request.body)),
        )
        world.state.next_late = world.state.first_late_due()
    return None


def without_secrets(body: bytes) -> str:
    value = json.loads(body) if body else None
    if isinstance(value, dict):
        value |= {name: stand_in for name, stand_in in STAND_INS.items() if value.get(name) is not None}
        for trunk in ("inbound_trunk_config", "outbound_trunk_config"):
            credentials = (value.get(trunk) or {}).get("credentials")
            if isinstance(credentials, dict):
                credentials.pop("password", None)
    return json.dumps(value) if body else ""


def apply_due(world: SandboxState) -> None:
    state = world.state
    if state.next_late is None or state.next_late > state.now():
        return
    with state.lock:
        rows = state.db.execute("SELECT * FROM late_writes WHERE due <= ? ORDER BY due, id", (state.now(),)).fetchall()
        for row in rows:
            state.db.execute("DELETE FROM late_writes WHERE id = ?", (row["id"],))
            query = parse_qs(row["query"])
            request = Request(row["method"], row["path"], query, {"xi-api-key": KEY}, row["body"].encode())
            request.trace_id = row["trace_id"]
            app.answer(world, request)  # if the state changed in the meantime, the refusal is discarded
        state.next_late = state.first_late_due()
