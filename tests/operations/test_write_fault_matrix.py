"""Every kind of write, with every reply of the remote, interrupted at every point: afterwards the remote, the
operations and the mirror are consistent, and each verdict is correct."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, connection

from controlplane.audit.models import Entry
from controlplane.operations import execute, outcome
from controlplane.operations.actions import action_class, all_actions
from controlplane.operations.models import Operation, State
from tests.crossed import cases
from tests.operations.clock import recover
from tests.operations.consistency_checks import EFFECT, violations, wrong_verdicts
from tests.operations.writes import WRITES, Write

pytestmark = pytest.mark.django_db

REPLIES: dict[str, dict[str, Any] | None] = {
    "ok": None,
    "500-before": {"fault": "status", "status": 500},
    "500-after": {"fault": "status", "status": 500, "when": "after"},
    "hang-after": {"fault": "hang", "when": "after"},
    "reset-after": {"fault": "reset", "when": "after"},
    "html-200-after": {"fault": "html", "when": "after"},
    "empty-200-after": {"fault": "empty", "when": "after"},
    "truncated-after": {"fault": "truncate", "when": "after"},
    "401": {"fault": "status", "status": 401},
    "409": {"fault": "status", "status": 409},
    "429": {"fault": "status", "status": 429},
}
BEFORE_SENDING = ["after the intent", "after the check", "after marking it sent"]
AFTER_SENDING = ["never", "after the reply", "in the verdict's commit", "after the verdict"]
# The replies by class: what we learn from them, and what ElevenLabs did. Those of one class differ on the wire only,
# which is tested below the operations: tests/elevenlabs/test_what_a_fault_means_for_a_write.py.
CLASSES = {
    "done": ["ok"],
    "refused": ["401", "429"],
    "unknown, not applied": ["500-before", "409"],
    "unknown, applied": [
        "500-after",
        "hang-after",
        "reset-after",
        "html-200-after",
        "empty-200-after",
        "truncated-after",
    ],
}
FIRST = [replies[0] for replies in CLASSES.values()]
CUT_OFF = ["import", "move"]  # one that creates an object and one that changes one
PRODUCT = [(write, reply, crash) for write in WRITES for reply in REPLIES for crash in AFTER_SENDING]
PRODUCT += [(write, "ok", crash) for write in WRITES for crash in BEFORE_SENDING]


def is_in_the_gate(name: str, reply: str, crash: str) -> bool:
    """Each write with each class of reply. The crash points are tested with two writes, because all writes share the
    code that commits."""
    if crash == "never":  # the other replies of a class, once
        return reply in FIRST or name == "move" or (name, reply) == ("delete", "empty-200-after")
    return name in CUT_OFF and reply in FIRST


GATE = [case for case in PRODUCT if is_in_the_gate(*case)]
CASES = cases(PRODUCT, GATE)


class Crash(BaseException):
    """The process dies."""


def test_no_case_is_missing():
    assert len(PRODUCT) == len(set(PRODUCT)) == 12 * (11 * 4 + 3) == 564
    marked = [case.values for case in CASES if case.marks]
    assert (len(GATE), len(marked)) == (86, 564 - 86)
    assert {write for write, _, _ in GATE} == set(WRITES)
    assert {reply for _, reply, _ in GATE} == set(REPLIES)
    class_of = {reply: of for of, replies in CLASSES.items() for reply in replies}
    assert set(class_of) == set(REPLIES)
    met = {(class_of[reply], crash) for _, reply, crash in GATE}
    assert met == {*product(CLASSES, AFTER_SENDING), *product(["done"], BEFORE_SENDING)}
    assert {(write, class_of[reply]) for write, reply, crash in GATE if crash == "never"} == {*product(WRITES, CLASSES)}
    assert set(EFFECT) == set(all_actions())
    offered = {kind for kind in all_actions() if not kind.endswith(".probe")}  # those: tests/lifecycle
    assert {write.kind for write in WRITES.values()} == offered


@pytest.mark.parametrize(("name", "reply", "crash"), CASES)
def test_write_fault_matrix(name, reply, crash, clock, settings, monkeypatch):
    write, remote = WRITES[name], clock.remote
    ask = write.set_up(clock)
    since, history_since = remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    if fault := REPLIES[reply]:
        remote.fault(write.method, "/v1/convai/*", **fault)
    if reply == "hang-after":
        settings.ELEVENLABS_WRITE_DEADLINE = 0.1

    with monkeypatch.context() as patch, interrupted_at(crash, write, patch):
        ask("key")

    remote.clear_faults()
    op = Operation.objects.get()
    assert op.state == expected_at_once(write, reply, crash)
    if not op.is_open:
        assert wrong_verdicts(remote, since=since) == [], "an immediate verdict must already agree with the ledger"
    # A second sync must record no change for a write that took effect.
    recover(clock, syncs=2 if crash == "never" and reply in ("ok", "500-after") else 1)
    assert violations(remote, since=since, history_since=history_since) == []
    assert Operation.objects.count() == 1


def expected_at_once(write: Write, reply: str, crash: str) -> State:
    """The state before any read-back: what the reply established, if it was still recorded."""
    if crash in BEFORE_SENDING[:2]:
        return State.INTENT
    if crash not in ("never", "after the verdict"):
        return State.SENT
    if reply == "ok" or (reply == "empty-200-after" and write.method == "DELETE"):
        return State.DONE
    return State.REFUSED if reply in ("401", "429") else State.SENT


@contextmanager
def interrupted_at(crash: str, write: Write, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Interrupt the write at this point, like a kill or a failing database."""
    with ExitStack() as stack:
        if crash != "never":
            stack.enter_context(pytest.raises(DatabaseError if crash == "in the verdict's commit" else Crash))
        match crash:
            case "after the intent":
                patch.setattr(execute, "begin", crash_after(execute.begin))
            case "after the check":
                kind = action_class(write.kind)
                patch.setattr(kind, "precheck", crash_after(kind.precheck), raising=False)
            case "after marking it sent":
                patch.setattr(execute, "mark_sent", crash_after(execute.mark_sent))
            case "after the reply":
                patch.setattr(outcome, "record_call", crash_after(outcome.record_call))
            case "in the verdict's commit":
                stack.enter_context(connection.execute_wrapper(fail_in_verdict))
            case "after the verdict":
                patch.setattr(outcome, "finish", crash_after(outcome.finish))
                patch.setattr(outcome, "leave_unconfirmed", crash_after(outcome.leave_unconfirmed))
        yield


def crash_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def crashing(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        raise Crash

    return crashing


def fail_in_verdict(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """A real database error in the last statement of the commit of the verdict, or of the note that it is open."""
    result = execute(sql, params, many, context)
    kinds = {str(value) for value in params or () if str(value).startswith("operation.")}
    verdict = sql.startswith("INSERT") and "audit_entry" in sql and kinds - {"operation.sent"}
    note = sql.startswith("UPDATE") and '"message"' in sql and '"ended_at"' not in sql
    if verdict or note:
        execute("SELECT 1 FROM no_such_table", (), False, context)
    return result
