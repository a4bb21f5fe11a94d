"""No record, no call: if the database fails before the request is sent, the request is not sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from django.db import connection

from controlplane.audit.models import Entry
from controlplane.audit.unavailable import AuditUnavailable
from controlplane.operations import change_sets, execute, settle
from controlplane.operations.errors import Expired
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet, Operation, State
from numbers import undo
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import ONE_OF_EACH_METHOD, WRITES, agent, number

pytestmark = pytest.mark.django_db

COMMITS = {
    "the intent": ("INSERT", '"operations_operation"', '"key"'),
    "the mark that it is sent": ("UPDATE", '"operations_operation"', '"sent_at"'),
    "the history": ("INSERT", '"audit_entry"', '"kind"'),
}


# Each write once, and each commit for four of them, because all writes share the code that commits.
IN_TURN = [(name, list(COMMITS)[place % 3]) for place, name in enumerate(WRITES)]


@pytest.mark.parametrize(("name", "commit"), cases(product(WRITES, COMMITS), IN_TURN))
def test_nothing_is_sent(name, commit, clock):
    ask = WRITES[name].set_up(clock)
    verb, table, column = COMMITS[commit]
    ledger, calls = len(clock.remote.ledger()), clock.remote.call_report()["last_id"]

    def fails(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(verb) and table in sql and column in sql:
            execute("SELECT 1 FROM no_such_table", (), False, context)
        return result

    with connection.execute_wrapper(fails), pytest.raises(AuditUnavailable):
        ask("key")

    assert len(clock.remote.ledger()) == ledger
    assert {call["method"] for call in clock.remote.calls(since=calls)} <= {"GET"}
    if commit == "the intent":
        assert clock.remote.calls(since=calls) == []
        assert not Operation.objects.exists()
    else:
        assert Operation.objects.get().state == State.INTENT
    clock.passes(170)
    settle.settle_due()
    assert not Operation.objects.exclude(state=State.INTENT).exists(), "its process may still be running"
    recover(clock)
    assert violations(clock.remote) == []
    again = ask("again")
    assert again.state == State.DONE, "the lock is released"


def test_an_undo_or_step_that_cannot_be_recorded_is_not_sent(clock):
    """The database itself rejects the entry."""
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    moved = services.assign(line, to, shown=old.remote_id, key="move", actor=None)
    entry = Entry.objects.get(kind="number.changed", cause_id=str(moved.pk))
    ledger = len(clock.remote.ledger())
    with refused("audit_entry"), pytest.raises(AuditUnavailable):
        undo.execute(entry, ActionContext(key="undo", actor=None))
    assert len(clock.remote.ledger()) == ledger
    clock.passes(200)
    settle.settle_due()
    assert Operation.objects.get(key="undo").state == State.NOT_SENT

    change_set = services.delete_agent_with_numbers(to, old, key="retire", actor=None)
    with refused("audit_entry"), pytest.raises(AuditUnavailable):
        change_sets.run_due()
    assert len(clock.remote.ledger()) == ledger
    assert [str(step.state) for step in change_sets.current_steps(change_set)] == ["intent", "planned"]
    clock.passes(200)
    settle.settle_due()
    change_sets.run_due()
    change_set.refresh_from_db()
    assert (change_set.state, len(clock.remote.ledger())) == (ChangeSet.State.STOPPED, ledger)
    change_sets.resume(change_set, actor=None)
    change_sets.run_due()
    change_set.refresh_from_db()
    assert change_set.state == ChangeSet.State.DONE, "the lock is released"


@contextmanager
def refused(table: str) -> Iterator[None]:
    """Add a trigger that rejects every new row of the table."""
    on_postgresql = connection.vendor == "postgresql"
    function = "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    body = (
        "FOR EACH ROW EXECUTE FUNCTION refuse()" if on_postgresql else "BEGIN SELECT RAISE(ABORT, 'not written'); END"
    )
    with connection.cursor() as cursor:
        if on_postgresql:
            cursor.execute(function + "$$ BEGIN RAISE EXCEPTION 'not written'; END $$")
        cursor.execute(f"CREATE TRIGGER refused BEFORE INSERT ON {table} {body}")
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER refused{f' ON {table}' if on_postgresql else ''}")


@pytest.mark.parametrize("name", cases(WRITES, ONE_OF_EACH_METHOD))
def test_an_operation_whose_time_ran_out_is_not_sent_any_more(name, clock, monkeypatch):
    """A process that was suspended between check and request finds that its operation has ended."""
    ask = WRITES[name].set_up(clock)
    ledger, mark_sent = len(clock.remote.ledger()), execute.mark_sent

    def slept(op: Operation, *rest: Any) -> None:
        clock.passes(200)
        settle.settle_due()
        mark_sent(op, *rest)

    monkeypatch.setattr(execute, "mark_sent", slept)
    with pytest.raises(Expired):
        ask("key")
    assert len(clock.remote.ledger()) == ledger
    assert Operation.objects.get().state == State.NOT_SENT
    recover(clock)
    assert violations(clock.remote) == []


def test_without_a_base_url_nothing_is_left_open(clock, settings):
    ask = WRITES["move"].set_up(clock)
    settings.ELEVENLABS_BASE_URL = "ftp://nowhere"
    with pytest.raises(ValueError, match="must be a plain https address"):
        ask("key")
    assert not Operation.objects.exists()
