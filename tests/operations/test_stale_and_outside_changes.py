"""Changes made meanwhile in the ElevenLabs console are noticed, recorded and never overwritten silently."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.operations import execute
from controlplane.operations.models import Operation, State
from numbers.sync import sync_all
from tests import number_writes as numbers
from tests.crossed import cases
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import mirror_differs, violations
from tests.operations.writes import PROMPT, WRITES, agent, number

pytestmark = pytest.mark.django_db

Console = Callable[[Clock], None]


def only_number(clock: Clock) -> str:
    return clock.remote.get("/v1/convai/phone-numbers")[0]["phone_number_id"]


def agent_named(clock: Clock, name: str) -> str:
    rows = clock.remote.get("/v1/convai/agents")["agents"]
    return next(row["agent_id"] for row in rows if row["name"] == name)


def binds_to_another(clock: Clock) -> None:
    other = clock.remote.console("create_agent", name="Console Bot")["agent_id"]
    clock.remote.console("assign", number=only_number(clock), agent_id=other)


def unbinds(clock: Clock) -> None:
    clock.remote.console("assign", number=only_number(clock), agent_id=None)


def relabels(clock: Clock) -> None:
    clock.remote.console("patch_number", number=only_number(clock), patch={"label": "Console line"})


def removes_the_number(clock: Clock) -> None:
    clock.remote.console("delete_number", number=only_number(clock))


def _our_agent(clock: Clock) -> str:
    return clock.remote.get("/v1/convai/agents")["agents"][0]["agent_id"]


def edits_the_agent(clock: Clock) -> None:
    prompt = {"agent": {"prompt": {"prompt": "Written in the console."}}}
    patch = {"name": "Console Bot", "conversation_config": prompt}
    clock.remote.console("patch_agent", agent_id=_our_agent(clock), patch=patch)


def deletes_the_agent(clock: Clock) -> None:
    rows = [
        row
        for archived in ("false", "true")
        for row in clock.remote.get("/v1/convai/agents", archived=archived)["agents"]
    ]
    clock.remote.console("delete_agent", agent_id=rows[0]["agent_id"])


# --- Row 5: the page was out of date ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "console", "now"),
    [
        ("assign", binds_to_another, "Console Bot"),
        ("move", binds_to_another, "Console Bot"),
        ("move", unbinds, "no agent"),
        pytest.param("release", binds_to_another, "Console Bot", marks=pytest.mark.slow),
        ("rename", relabels, "Console line"),
        ("remove", binds_to_another, "Console Bot"),
        ("update", edits_the_agent, "name, prompt"),
    ],
)
def test_a_stale_page_changes_nothing_and_gets_the_current_value(name, console, now, clock):
    ask = WRITES[name].set_up(clock)
    console(clock)
    ledger, calls = len(clock.remote.ledger()), clock.remote.call_report()["last_id"]

    op = ask("key")

    assert (op.state, len(clock.remote.ledger())) == (State.NOT_SENT, ledger)
    assert {call["method"] for call in clock.remote.calls(since=calls)} == {"GET"}
    assert now in op.message
    assert op.sent_at is None
    assert op.observed is not None
    recover(clock)
    assert violations(clock.remote) == []


@pytest.mark.parametrize(("name", "console"), [("assign", removes_the_number), ("rename", removes_the_number)])
def test_a_number_that_was_removed_is_not_written(name, console, clock):
    ask = WRITES[name].set_up(clock)
    console(clock)
    op = ask("key")
    assert (op.state, op.message.count("removed there")) == (State.NOT_SENT, 1)
    recover(clock)
    assert violations(clock.remote) == []


# --- Row 6: the answer is lost, and the console writes before it is read back -----------------------------------------
THIRD: list[tuple[str, Console, Any]] = [
    ("assign", binds_to_another, "Console Bot"),
    ("move", binds_to_another, "Console Bot"),
    ("move", unbinds, None),
    ("release", binds_to_another, "Console Bot"),
    ("rename", relabels, "Console line"),
    ("update", edits_the_agent, {"name": "Console Bot", PROMPT: "Written in the console."}),
    *[(name, removes_the_number, None) for name in ("assign", "move", "release", "rename")],
    *[(name, deletes_the_agent, None) for name in ("update", "archive", "restore")],
]


# Each kind of operation with each way to be overtaken. "assign", "move" and "release" are one kind, "archive" and
# "restore" another.
OF_EACH_KIND = [
    ("move", binds_to_another, "before"),
    ("move", binds_to_another, "after"),
    ("move", unbinds, "before"),
    ("rename", relabels, "after"),
    ("update", edits_the_agent, "before"),
    ("move", removes_the_number, "after"),
    ("rename", removes_the_number, "before"),
    ("update", deletes_the_agent, "after"),
    ("archive", deletes_the_agent, "before"),
]


@pytest.mark.parametrize(
    ("name", "console", "third", "when"),
    [
        pytest.param(*case, when, marks=[] if (*case[:2], when) in OF_EACH_KIND else pytest.mark.slow)
        for case, when in product(THIRD, ["before", "after"])
    ],
)
def test_overtaken_and_both_values_kept(name, console, third, when, clock):
    ask = WRITES[name].set_up(clock)
    clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when=when)
    op = ask("key")
    assert op.state == State.SENT
    clock.passes(2)
    console(clock)
    writes = len(clock.remote.ledger())

    recover(clock)

    op.refresh_from_db()
    assert op.state == State.OVERTAKEN, op.message
    if console in (removes_the_number, deletes_the_agent):
        assert "meanwhile" in op.message
        assert op.observed is None
    elif name == "update":
        assert op.observed == third
        assert op.params["set"] != third
    elif name == "rename":
        assert (op.params["label"], op.observed) == ("Night line", {"label": third})
    else:
        assert op.observed is not None
        assert op.observed["agent_name"] == third
        assert op.observed["agent_id"] != op.params["agent_id"]
    assert len(clock.remote.ledger()) == writes, "nothing is sent again"
    assert violations(clock.remote) == []


@pytest.mark.parametrize("name", ["assign", "rename", "update"])
def test_a_console_write_after_ours_is_recorded_separately(name, clock):
    console = {"assign": binds_to_another, "rename": relabels, "update": edits_the_agent}[name]
    op = WRITES[name].set_up(clock)("key")
    assert op.state == State.DONE
    clock.passes(2)
    console(clock)
    recover(clock)
    changes = list(Entry.objects.filter(object_id=op.object_id, kind__endswith=".changed").order_by("pk"))
    assert [entry.cause for entry in changes] == [Entry.Cause.OPERATION, Entry.Cause.SYNC]
    assert violations(clock.remote) == []


# --- Row 13: the agent that the page offered is gone or archived when it is chosen ------------------------------------
@pytest.mark.parametrize(
    ("name", "console_action"),
    cases(
        product(["assign", "move", "import"], ["delete_agent", "archive_agent"]),
        product(["move", "import"], ["delete_agent", "archive_agent"]),
    ),
)
def test_nothing_is_bound_to_an_agent_that_is_gone_or_archived(name, console_action, clock):
    ask = WRITES[name].set_up(clock)
    target = "Sales Bot" if name == "move" else "Support Bot"
    clock.passes(2)
    clock.remote.console(console_action, agent_id=agent_named(clock, target))
    writes = len(clock.remote.ledger())

    op = ask("key")

    assert op.state == State.NOT_SENT
    assert ("deleted at ElevenLabs" if console_action == "delete_agent" else "is archived") in op.message
    assert op.error_fields == ["agent"]
    assert len(clock.remote.ledger()) == writes
    recover(clock)
    assert violations(clock.remote) == []


def test_a_copy_of_a_deleted_agent_is_not_requested(clock):
    ask = WRITES["duplicate"].set_up(clock)
    deletes_the_agent(clock)
    op = ask("key")
    assert (op.state, "deleted at ElevenLabs" in op.message) == (State.NOT_SENT, True)


# --- Row 14: the object to delete is already gone ---------------------------------------------------------------------
@pytest.mark.parametrize(("name", "console"), [("delete", deletes_the_agent), ("remove", removes_the_number)])
@pytest.mark.parametrize("moment", ["before the check", "after the check"])
def test_deleting_a_gone_object_is_done_and_reported_as_such(name, console, moment, clock, monkeypatch):
    ask = WRITES[name].set_up(clock)
    if moment == "before the check":
        console(clock)
    else:
        mark_sent = execute.mark_sent

        def late_console(op: Operation, *rest: Any) -> None:
            console(clock)
            mark_sent(op, *rest)

        monkeypatch.setattr(execute, "mark_sent", late_console)

    op = ask("key")

    assert (op.state, "already gone at ElevenLabs" in op.message) == (State.DONE, True)
    assert (op.sent_at is None) == (moment == "before the check")
    recover(clock)
    assert violations(clock.remote) == []


def test_a_delete_whose_404_is_lost_is_done_when_it_is_read_back(clock):
    ask = WRITES["delete"].set_up(clock)
    clock.remote.fault("DELETE", "/v1/convai/*", "reset", when="before")
    op = ask("key")
    deletes_the_agent(clock)
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.DONE
    assert violations(clock.remote) == []


# --- Row 12: an agent is deleted in the console while numbers are bound to it -----------------------------------------
@pytest.mark.parametrize(
    ("after_delete", "state"), [("dangling", "orphaned"), ("null", "unassigned"), ("released", "unassigned")]
)
def test_the_numbers_of_an_agent_that_is_gone(after_delete, state, clock):
    """They are orphaned while the remote still shows the deleted agent, and unassigned if it shows none."""
    clock.remote.settings(after_delete=after_delete)
    gone, heir = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, gone)
    clock.remote.console("delete_agent", agent_id=gone.remote_id)
    recover(clock)
    gone.refresh_from_db()
    line.refresh_from_db()
    assert gone.gone_at is not None
    assert line.state == state
    assert mirror_differs(clock.remote) == []

    op = numbers.assign(line, heir, shown=line.bound_to, key="key", actor=None)

    assert op.state == State.DONE, op.message
    line.refresh_from_db()
    assert (line.state, line.agent) == ("assigned", heir)
    recover(clock)
    assert violations(clock.remote) == []


@pytest.mark.parametrize("answers", ["404 once", "403", "archived"])
def test_an_agent_that_is_only_missing_from_a_list_orphans_no_number(answers, clock):
    kept, other = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, kept)
    if answers == "archived":
        clock.remote.console("archive_agent", agent_id=kept.remote_id)
    else:
        body = {"agents": [row for row in clock.remote.get("/v1/convai/agents")["agents"] if row["name"] != kept.name]}
        clock.remote.fault("GET", "/v1/convai/agents", "edit", query="archived=false", body=body)
        status = 404 if answers == "404 once" else 403
        clock.remote.fault("GET", f"/v1/convai/agents/{kept.remote_id}", "status", status=status)
    for _ in range(3):
        sync_all()
    kept.refresh_from_db()
    line.refresh_from_db()
    assert (kept.gone_at, kept.missing_since) == (None, None)
    assert (line.state, line.agent) == ("assigned", kept)
    assert mirror_differs(clock.remote) == []
    assert get(other.remote_data, "name") == "Sales Bot"
