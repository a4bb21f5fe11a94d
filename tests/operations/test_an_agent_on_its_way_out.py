"""No number is assigned to an agent that is being deleted or archived, and no agent is deleted while a number is being
assigned to it: each side commits its intent before it checks for the other's."""

import pytest

from controlplane.operations.models import State
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, agent, number

pytestmark = pytest.mark.django_db


def remove_agent(removal, old, key="taking"):
    return (
        agents.delete(old, key=key, actor=None)
        if removal == "deleted"
        else agents.archive(old, archived=True, key=key, actor=None)
    )


def bind(how, clock, old, line, key="binding"):
    if how == "import":
        return numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=old, key=key, actor=None)
    return numbers.assign(line, old, shown="", key=key, actor=None)


@pytest.mark.parametrize("how", ["assign", "import"])
@pytest.mark.parametrize("removal", ["deleted", "archived"])
def test_nothing_is_bound_to_it(removal, how, clock):
    old, line = agent(clock), number(clock)
    method = "DELETE" if removal == "deleted" else "PATCH"
    clock.remote.fault(method, "/v1/convai/agents/*", "status", status=500, when="late")
    assert remove_agent(removal, old).state == State.SENT
    op = bind(how, clock, old, line)
    assert (op.state, op.sent_at, op.error_fields) == (State.NOT_SENT, None, ["agent"])
    assert f"is being {removal} by" in op.message
    recover(clock)
    assert violations(clock.remote, late=True) == []


@pytest.mark.parametrize("how", ["assign", "import"])
@pytest.mark.parametrize("removal", ["deleted", "archived"])
def test_it_is_kept_while_a_number_is_being_assigned_to_it(removal, how, clock):
    old, line = agent(clock), number(clock)
    method, path = ("POST", "/v1/convai/phone-numbers") if how == "import" else ("PATCH", "/v1/convai/phone-numbers/*")
    clock.remote.fault(method, path, "status", status=500, when="late")
    assert bind(how, clock, old, line).state == State.SENT
    op = remove_agent(removal, old)
    assert (op.state, op.sent_at) == (State.NOT_SENT, None)
    assert "is needed for a number" in op.message
    clock.passes(40)
    clock.remote.ledger()  # reading the ledger applies the delayed write; a new number is listed a little later
    recover(clock)
    assert violations(clock.remote, late=True) == []


def test_a_restore_blocks_no_assignment(clock):
    old, line = agent(clock), number(clock)
    agents.archive(old, archived=True, key="archive", actor=None)
    clock.passes(2)
    clock.remote.fault("PATCH", "/v1/convai/agents/*", "status", status=500, when="after")
    assert agents.archive(old, archived=False, key="restore", actor=None).state == State.SENT
    assert bind("assign", clock, old, line).state == State.DONE


def test_an_object_found_to_be_deleted_is_marked_as_missing_at_once(clock):
    gone, line, other = agent(clock), number(clock), number(clock, phone_number="+15550100124")
    clock.remote.console("delete_agent", agent_id=gone.remote_id)
    clock.remote.console("delete_number", number=line.remote_id)
    ops = [
        bind("assign", clock, gone, other, "a"),
        agents.duplicate(gone, name="Copy", key="b", actor=None),
        numbers.set_label(line, "New", shown="Main", key="c", actor=None),
    ]
    assert {op.state for op in ops} == {State.NOT_SENT}
    for row in (gone, line):
        row.refresh_from_db()
        assert (row.missing_since is not None, row.gone_at) == (True, None)
    other.refresh_from_db()
    assert other.missing_since is None
    recover(clock)
    assert violations(clock.remote) == []
