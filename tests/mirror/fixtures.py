"""Setup and checks that several tests of the sync share."""

from typing import Any

from agents.models import Agent
from controlplane.mirror.models import RemoteObject, SyncRun
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.clock import Clock

AGENTS, NUMBERS = "/v1/convai/agents", "/v1/convai/v2/phone-numbers"
ONE_BY_ONE = {"agent": "/v1/convai/agents/", "number": "/v1/convai/phone-numbers/"}
WHATS = ["agent", "number"]


def run_over_all(state: str = SyncRun.State.COMPLETE, **options: Any) -> SyncRun:
    """Run a sync and check the state in which it ends."""
    run = sync_all(**options)
    assert run is not None
    assert run.state == state, run.problem
    return run


def model_of(what: str) -> Any:
    return {"agent": Agent, "number": PhoneNumber}[what]


def made(clock: Clock, what: str, count: int) -> None:
    """Create objects at the remote that are not mirrored yet."""
    for place in range(count):
        if what == "agent":
            clock.remote.console("create_agent", name=f"Bot {place}")
        else:
            clock.remote.console("add_number", phone_number=f"+155501{place:05}", label=f"Line {place}")
    clock.passes(10)


def known(clock: Clock, what: str, count: int = 3) -> list[Any]:
    """Create objects at the remote and mirror them with a complete run."""
    made(clock, what, count)
    run_over_all()
    return list(model_of(what).objects.order_by("pk"))


def unlisted(clock: Clock, what: str, *remote_ids: str, runs: int = 1) -> None:
    """Hide these objects from the list in the next runs."""
    if what == "agent":
        path, key, id_field, query = AGENTS, "agents", "agent_id", "archived=false"
        rows = clock.remote.get(AGENTS, archived="false", page_size=100)["agents"]
    else:
        path, key, id_field, query = NUMBERS, "phone_numbers", "phone_number_id", ""
        rows = clock.remote.get("/v1/convai/phone-numbers")
    body = {key: [row for row in rows if row[id_field] not in remote_ids], "has_more": False, "next_cursor": None}
    clock.remote.fault("GET", path, "edit", query=query, body=body, times=runs)


def answers(clock: Clock, row: RemoteObject, status: int, times: int = 1) -> None:
    """Answer a GET of this object with this status."""
    path = ONE_BY_ONE[row.object_type] + row.remote_id
    clock.remote.fault("GET", path, "status", status=status, times=times)


def deleted(clock: Clock, *rows: RemoteObject) -> None:
    """Delete these objects in the console."""
    for row in rows:
        if row.object_type == "agent":
            clock.remote.console("delete_agent", agent_id=row.remote_id)
        else:
            clock.remote.console("delete_number", number=row.remote_id)


def changed(clock: Clock, row: RemoteObject, text: str) -> None:
    """Change the name or label in the console."""
    clock.passes(2)
    if row.object_type == "agent":
        clock.remote.console("rename_agent", agent_id=row.remote_id, name=text)
    else:
        clock.remote.console("patch_number", number=row.remote_id, patch={"label": text})


def text_of(row: Any) -> str:
    """The mirrored value of the field that `changed` sets."""
    row.refresh_from_db()
    return str(row.name if row.object_type == "agent" else row.label)


def is_missing(row: Any) -> bool:
    row.refresh_from_db()
    assert row.gone_at is None
    return row.missing_since is not None


def is_gone(row: Any) -> bool:
    row.refresh_from_db()
    return row.gone_at is not None
