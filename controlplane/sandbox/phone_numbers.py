"""Stored phone numbers. No Twilio credential is ever stored."""

import json
import sqlite3
from typing import Any

from .errors import current, document_not_found, invalid
from .ledger import Cause, record
from .merge import merged
from .messages import Json
from .state import SandboxState
from .storage import Storage, new_id
from .trunks import TRUNK_DEFAULTS, shown_trunk


def find(world: SandboxState, phone_number_id: str) -> sqlite3.Row:
    state = world.state
    row: sqlite3.Row | None = state.db.execute(
        "SELECT * FROM numbers WHERE phone_number_id = ?", (phone_number_id,)
    ).fetchone()
    if row is None or (world.settings.hidden_until_listed and row["listed_at"] > state.now()):
        raise document_not_found(phone_number_id)
    return row


def add(world: SandboxState, cause: Cause, *, number: Json, agent_id: str | None, trunk: Json | None) -> str:
    state = world.state
    taken = state.db.execute("SELECT 1 FROM numbers WHERE phone_number = ?", (number["phone_number"],)).fetchone()
    if taken:
        raise already_imported(number["phone_number"])
    if agent_id is not None:
        refuse_unfit_binding(state, agent_id, supports_inbound=number["supports_inbound"])
    phone_number_id = new_id("phnum")
    state.db.execute(
        "INSERT INTO numbers (phone_number_id, phone_number, label, label_key, provider, agent_id, supports_inbound,"
        " supports_outbound, trunk, listed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            phone_number_id,
            number["phone_number"],
            number["label"],
            number["label"].casefold(),
            number["provider"],
            agent_id,
            number["supports_inbound"],
            number["supports_outbound"],
            None if trunk is None else json.dumps(trunk),
            state.now() + world.settings.listed_after,
        ),
    )
    record(
        state, cause, "import_number", object_id=phone_number_id, before=None, after=snapshot(state, phone_number_id)
    )
    return phone_number_id


def patch(world: SandboxState, cause: Cause, phone_number_id: str, changes: Json) -> None:
    """`agent_id: null` unassigns; a null label leaves the label unchanged (assumption 6)."""
    state, old = world.state, find(world, phone_number_id)
    before = snapshot(state, phone_number_id)
    agent_id = changes.get("agent_id", old["agent_id"])
    if "agent_id" in changes and agent_id is not None:
        refuse_unfit_binding(state, agent_id, supports_inbound=old["supports_inbound"])
    label = old["label"] if changes.get("label") is None else changes["label"]
    trunk = old["trunk"]
    if trunk is not None:
        parts = {name: changes[name] for name in TRUNK_DEFAULTS if changes.get(name) is not None}
        trunk = json.dumps({**json.loads(trunk), **parts})
    state.db.execute(
        "UPDATE numbers SET agent_id = ?, agent_name = NULL, label = ?, label_key = ?, branch_id = ?, environment = ?,"
        " trunk = ? WHERE phone_number_id = ?"
        if agent_id != old["agent_id"]
        else "UPDATE numbers SET agent_id = ?, label = ?, label_key = ?, branch_id = ?, environment = ?, trunk = ?"
        " WHERE phone_number_id = ?",
        (
            agent_id,
            label,
            label.casefold(),
            changes.get("branch_id", old["branch_id"]),
            changes.get("environment", old["environment"]),
            trunk,
            phone_number_id,
        ),
    )
    after = snapshot(state, phone_number_id)
    record(state, cause, "update_number", object_id=phone_number_id, before=before, after=after)


def delete(world: SandboxState, cause: Cause, phone_number_id: str) -> None:
    find(world, phone_number_id)
    before = snapshot(world.state, phone_number_id)
    world.state.db.execute("DELETE FROM numbers WHERE phone_number_id = ?", (phone_number_id,))
    record(world.state, cause, "delete_number", object_id=phone_number_id, before=before, after=None)


def agent_deleted(state: Storage, cause: Cause, agent_id: str, name: str, *, released: bool) -> None:
    if not released:
        state.db.execute("UPDATE numbers SET agent_name = ? WHERE agent_id = ?", (name, agent_id))
        return
    for row in state.db.execute("SELECT phone_number_id FROM numbers WHERE agent_id = ?", (agent_id,)).fetchall():
        number_id = row["phone_number_id"]
        before = snapshot(state, number_id)
        state.db.execute("UPDATE numbers SET agent_id = NULL WHERE phone_number_id = ?", (number_id,))
        remote_cause = Cause(cause.method, cause.path, cause.trace_id, by="remote")
        after = snapshot(state, number_id)
        record(state, remote_cause, "update_number", object_id=number_id, before=before, after=after)


def refuse_unfit_binding(state: Storage, agent_id: str, *, supports_inbound: bool) -> None:
    if state.db.execute("SELECT 1 FROM agents WHERE agent_id = ?", (agent_id,)).fetchone() is None:
        raise document_not_found(agent_id)  # assumption 4
    if not supports_inbound:
        raise invalid("agent_id", "This phone number is outbound only and cannot be assigned to an agent.")


def already_imported(phone_number: str) -> Exception:
    return current(
        409, "conflict", "resource_already_exists", f"Phone number {phone_number} already exists.", param="phone_number"
    )


def of_agent(world: SandboxState, agent_id: str) -> list[Json]:
    rows = world.state.db.execute(
        "SELECT * FROM numbers WHERE agent_id = ? AND listed_at <= ? ORDER BY seq", (agent_id, world.state.now())
    ).fetchall()
    return shown(world, rows)


def shown(world: SandboxState, rows: list[sqlite3.Row]) -> list[Json]:
    agent_ids = {row["agent_id"] for row in rows if row["agent_id"] is not None}
    names = agent_names(world.state, agent_ids)
    return [shown_number(world, row, names) for row in rows]


def agent_names(state: Storage, agent_ids: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    ids = list(agent_ids)
    for start in range(0, len(ids), 500):
        batch = ids[start : start + 500]
        marks = ",".join("?" * len(batch))
        sql = f"SELECT agent_id, name FROM agents WHERE agent_id IN ({marks})"  # noqa: S608 - question marks only
        names.update((row["agent_id"], row["name"]) for row in state.db.execute(sql, batch))
    return names


def shown_number(world: SandboxState, row: sqlite3.Row, names: dict[str, str]) -> Json:
    answer: Json = {
        "phone_number": row["phone_number"],
        "label": row["label"],
        "supports_inbound": bool(row["supports_inbound"]),
        "supports_outbound": bool(row["supports_outbound"]),
        "phone_number_id": row["phone_number_id"],
        "assigned_agent": assigned_agent(world, row, names),
        "provider": row["provider"],
    }
    if row["provider"] == "sip_trunk":
        answer |= shown_trunk(json.loads(row["trunk"] or "{}"))
    return answer if row["overlay"] is None else merged(answer, json.loads(row["overlay"]))


def assigned_agent(world: SandboxState, row: sqlite3.Row, names: dict[str, str]) -> Any:
    agent_id = row["agent_id"]
    alive = agent_id in names
    if agent_id is None or (not alive and world.settings.after_delete == "null"):
        return None
    return {
        "agent_id": agent_id,
        "agent_name": names[agent_id] if alive else row["agent_name"] or "",
        "environment": row["environment"],
        "branch_id": row["branch_id"],
    }


def snapshot(state: Storage, phone_number_id: str) -> Json:
    row = state.db.execute("SELECT * FROM numbers WHERE phone_number_id = ?", (phone_number_id,)).fetchone()
    return {
        "phone_number_id": row["phone_number_id"],
        "phone_number": row["phone_number"],
        "label": row["label"],
        "provider": row["provider"],
        "agent_id": row["agent_id"],
        "supports_inbound": bool(row["supports_inbound"]),
        "supports_outbound": bool(row["supports_outbound"]),
    }
