"""What was read before a newer operation on the same object is not put over what that one left behind, and the
difference is not recorded as an external change.

An operation that makes an object locks its name or its line, not its id: others may write to the object meanwhile.
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
    """`action` is done between what this method reads and what is made of it. Once."""
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


def nothing_is_told_of_others(clock: Any) -> None:
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
    sync_all()  # the first picture, after which what no operation explains is an outside change
    done = and_then(ImportNumber, "_find", lambda: ask("move"), monkeypatch)

    op = import_(LINE)

    assert (op.state, done[0].state) == (State.NOT_SENT, State.DONE)
    assert PhoneNumber.objects.get().agent.name == "Sales Bot"
    nothing_is_told_of_others(clock)


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
    nothing_is_told_of_others(clock)


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
    nothing_is_told_of_others(clock)


def new_agent(clock: Any) -> tuple[Operation, Agent]:
    """Its answer was lost, and a sync has found it."""
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
    nothing_is_told_of_others(clock)


def test_a_change_is_kept_though_who_made_the_agent_is_not_decided_yet(clock, monkeypatch):
    agent(clock)
    sync_all()
    op, row = new_agent(clock)
    Operation.objects.filter(pk=op.pk).update(object_id=row.remote_id)  # as if it had been killed with the answer

    assert update(row).state == State.DONE

    nothing_is_told_of_others(clock)


def test_what_is_read_on_a_quiet_object_is_kept(clock):
    """The other side: what an import finds is kept in the mirror."""
    number(clock)
    sync_all()
    clock.passes(2)
    clock.remote.console("patch_number", number=PhoneNumber.objects.get().remote_id, patch={"label": "Console line"})

    op = import_(LINE)

    assert op.state == State.NOT_SENT
    assert PhoneNumber.objects.get().label == "Console line"
    assert OutsideChange.objects.count() == 1
