"""Data that was read before a newer operation on the same object does not overwrite the result of that operation, and
the difference is not recorded as an external change.

An operation that creates an object locks its name or phone number, not its id, so others may write to it meanwhile.
"""

from collections.abc import Callable
from typing import Any

import pytest

from agents.actions import CreateAgent
from agents.models import Agent
from controlplane.mirror.models import OutsideChange
from controlplane.operations import settle
from controlplane.operations.models import Operation, State
from controlplane.operations.write_log import OperationLog
from numbers import import_polling
from numbers.actions.import_number import ImportNumber
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.clock import recover
from tests.operations.consistency_checks import mirror_differs, violations
from tests.operations.writes import CREDENTIALS, LINE, NEW_LINE, PROMPT, WRITES, agent, number

pytestmark = pytest.mark.django_db

BODY = {"conversation_config": {"agent": {"prompt": {"prompt": "You wait."}}}}


def and_then(owner: Any, name: str, action: Callable[[], Operation], patch: pytest.MonkeyPatch) -> list[Operation]:
    """Run `action` once, right after this method has read and before its result is used."""
    original, done = getattr(owner, name), []

    def read(*args: Any, **options: Any) -> Any:
        try:
            return original(*args, **options)
        finally:
            if not done:
                done.append(None)
                done[0] = action()

    patch.setattr(owner, name, read)
    return done


def assert_no_external_changes(clock: Any) -> None:
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists()
    recover(clock)
    assert violations(clock.remote) == []
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists()


def import_(line: str, key: str = "import") -> Operation:
    return numbers.import_number(line, label="New", credentials=CREDENTIALS, key=key, actor=None)


def test_an_import_that_finds_the_number_while_it_is_moved(clock, monkeypatch):
    ask = WRITES["move"].set_up(clock)
    sync_all()  # after this first sync, a change that no operation explains is an external change
    done = and_then(ImportNumber, "_find", lambda: ask("move"), monkeypatch)

    op = import_(LINE)

    assert (op.state, done[0].state) == (State.NOT_SENT, State.DONE)
    assert PhoneNumber.objects.get().agent.name == "Sales Bot"
    assert_no_external_changes(clock)


def test_an_import_that_is_read_back_while_the_number_is_renamed(clock, monkeypatch):
    sync_all()
    clock.remote.fault("POST", "/v1/convai/*", "status", status=500, when="after")
    op = import_(NEW_LINE)
    clock.passes(10)
    sync_all()
    line = PhoneNumber.objects.get()
    done = and_then(
        ImportNumber,
        "read_back",
        lambda: numbers.set_label(line, "Night line", shown="New", key="rename", actor=None),
        monkeypatch,
    )

    settle.settle_due()

    op.refresh_from_db()
    assert (op.state, done[0].state) == (State.DONE, State.DONE)
    assert PhoneNumber.objects.get().label == "Night line"
    assert_no_external_changes(clock)


def test_an_import_that_a_poll_finds_while_it_is_renamed(clock, monkeypatch):
    sync_all()
    import_(NEW_LINE)
    line = PhoneNumber.objects.get()
    clock.passes(10)
    done = and_then(
        OperationLog,
        "touched_since",
        lambda: numbers.set_label(line, "Night line", shown="New", key="rename", actor=None),
        monkeypatch,
    )

    import_polling.poll_due()

    assert done[0].state == State.DONE
    assert PhoneNumber.objects.get().label == "Night line"
    assert_no_external_changes(clock)


def new_agent(clock: Any) -> tuple[Operation, Agent]:
    """An agent whose creation was not answered, and which a sync has found."""
    clock.remote.fault("POST", "/v1/convai/*", "status", status=500, when="after")
    op = agents.create(name="Help Desk", body=BODY, key="create", actor=None)
    clock.passes(10)
    sync_all()
    return op, Agent.objects.get(name="Help Desk")


def update(row: Agent) -> Operation:
    return agents.update(row, values={PROMPT: "You help."}, shown={PROMPT: "You wait."}, key="update", actor=None)


def test_a_new_agent_that_is_read_back_while_it_is_changed(clock, monkeypatch):
    agent(clock)
    sync_all()
    op, row = new_agent(clock)
    done = and_then(CreateAgent, "read_back", lambda: update(row), monkeypatch)

    settle.settle_due()

    op.refresh_from_db()
    assert (op.state, done[0].state) == (State.DONE, State.DONE)
    assert_no_external_changes(clock)


def test_a_change_is_kept_while_the_creation_of_the_agent_is_unconfirmed(clock, monkeypatch):
    agent(clock)
    sync_all()
    op, row = new_agent(clock)
    Operation.objects.filter(pk=op.pk).update(object_id=row.remote_id)  # as if killed right after the answer

    assert update(row).state == State.DONE

    assert_no_external_changes(clock)


def test_data_read_from_an_object_without_other_writes_is_kept(clock):
    """The counterpart: what an import finds is stored in the mirror."""
    number(clock)
    sync_all()
    clock.passes(2)
    clock.remote.console("patch_number", number=PhoneNumber.objects.get().remote_id, patch={"label": "Console line"})

    op = import_(LINE)

    assert op.state == State.NOT_SENT
    assert PhoneNumber.objects.get().label == "Console line"
    assert OutsideChange.objects.count() == 1
