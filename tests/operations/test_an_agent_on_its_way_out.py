"""No number is bound to an agent that is being deleted or archived, and none is deleted while a number is on its way:
each side commits its intent before it looks for the other's."""

import pytest

from controlplane.operations.models import State
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, agent, number

pytestmark = pytest.mark.django_db


def take_away(deed, old, key="taking"):
    return (
        agents.delete(old, key=key, actor=None)
        if deed == "deleted"
        else agents.archive(old, archived=True, key=key, actor=None)
    )


def bind(how, clock, old, line, key="binding"):
    if how == "import":
        return numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=old, key=key, actor=None)
    return numbers.assign(line, old, shown="", key=key, actor=None)


@pytest.mark.parametrize("how", ["assign", "import"])
@pytest.mark.parametrize("deed", ["deleted", "archived"])
def test_nothing_is_bound_to_it(deed, how, clock):
    old, line = agent(clock), number(clock)
    method = "DELETE" if deed == "deleted" else "PATCH"
    clock.remote.fault(method, "/v1/convai/agents/*", "status", status=500, when="late")
    assert take_away(deed, old).state == State.SENT
    op = bind(how, clock, old, line)
    assert (op.state, op.sent_at, op.error_fields) == (State.NOT_SENT, None, ["agent"])
    assert f"is being {deed} by" in op.message
    recover(clock)
    assert violations(clock.remote, late=True) == []


@pytest.mark.parametrize("how", ["assign", "import"])
@pytest.mark.parametrize("deed", ["deleted", "archived"])
def test_it_stays_while_a_number_is_on_its_way_to_it(deed, how, clock):
    old, line = agent(clock), number(clock)
    method, path = ("POST", "/v1/convai/phone-numbers") if how == "import" else ("PATCH", "/v1/convai/phone-numbers/*")
    clock.remote.fault(method, path, "status", status=500, when="late")
    assert bind(how, clock, old, line).state == State.SENT
    op = take_away(deed, old)
    assert (op.state, op.sent_at) == (State.NOT_SENT, None)
    assert "is needed for a number" in op.message
    clock.passes(40)
    clock.remote.ledger()  # by now it has taken effect; a new number is listed a little later
    recover(clock)
    assert violations(clock.remote, late=True) == []


def test_a_restore_stands_in_nobodys_way(clock):
    old, line = agent(clock), number(clock)
    agents.archive(old, archived=True, key="archive", actor=None)
    clock.passes(2)
    clock.remote.fault("PATCH", "/v1/convai/agents/*", "status", status=500, when="after")
    assert agents.archive(old, archived=False, key="restore", actor=None).state == State.SENT
    assert bind("assign", clock, old, line).state == State.DONE


def test_what_is_found_to_be_gone_is_shown_as_missing_at_once(clock):
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
