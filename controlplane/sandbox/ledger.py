"""A log of every applied write, against which tests compare the control plane's own history.

It cannot contain Twilio secrets: the stored objects, from which `before` and `after` are built, never contain one.
"""

import json
from dataclasses import dataclass
from typing import Any

from .messages import Json
from .storage import Storage


@dataclass(frozen=True, slots=True)
class Cause:
    """Who writes: the API, or a user of the ElevenLabs console."""

    method: str
    path: str
    trace_id: str
    by: str = "api"


def record(state: Storage, cause: Cause, kind: str, *, object_id: str, before: Json | None, after: Json | None) -> None:
    phone_number = (after or before or {}).get("phone_number")
    state.db.execute(
        "INSERT INTO ledger (at, made_by, trace_id, method, path, kind, object_id, phone_number, before, after)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.now(),
            cause.by,
            cause.trace_id,
            cause.method,
            cause.path,
            kind,
            object_id,
            phone_number,
            None if before is None else json.dumps(before),
            None if after is None else json.dumps(after),
        ),
    )


def entries(state: Storage, *, since: int, limit: int) -> list[Json]:
    rows = state.db.execute("SELECT * FROM ledger WHERE id > ? ORDER BY id LIMIT ?", (since, limit))
    return [
        {
            "id": row["id"],
            "at": row["at"],
            "by": row["made_by"],
            "trace_id": row["trace_id"],
            "method": row["method"],
            "path": row["path"],
            "kind": row["kind"],
            "object_id": row["object_id"],
            "phone_number": row["phone_number"],
            "before": decoded(row["before"]),
            "after": decoded(row["after"]),
        }
        for row in rows
    ]


def decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
