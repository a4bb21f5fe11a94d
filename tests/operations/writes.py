"""Every write that staff can request, each with the setup that it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import connect
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import Operation
from numbers import mirror as number_mirror
from numbers.actions import NumberAction
from numbers.models import PhoneNumber
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.clock import Clock

SID, TOKEN = "AC" + "1" * 32, "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CREDENTIALS = numbers.TwilioCredentials(sid=SID, token=TOKEN)
LINE, NEW_LINE = "+15550100123", "+15550100199"
SEEN = Cause(Entry.Cause.SYNC, "the setup")  # the recorded cause of every row that a setup mirrors
PROMPT = "conversation_config.agent.prompt.prompt"


@dataclass(frozen=True)
class Write:
    kind: str  # of the operation
    method: str  # of its only write at the remote
    set_up: Callable[[Clock], Callable[[str], Operation]]  # returns the function that requests it with a key


def agent(clock: Clock, name: str = "Support Bot") -> Agent:
    """An agent that exists and is mirrored."""
    return mirrored_agent(clock.remote.console("create_agent", name=name)["agent_id"])


def mirrored_agent(agent_id: str) -> Agent:
    agent_mirror.upsert_row(connect().get_agent(agent_id), SEEN)
    return Agent.objects.get(remote_id=agent_id)


def number(clock: Clock, on: Agent | None = None, phone_number: str = LINE) -> PhoneNumber:
    """A number that exists, is listed and mirrored."""
    agent_id = on.remote_id if on else None
    added = clock.remote.console("add_number", phone_number=phone_number, label="Main", agent_id=agent_id)
    clock.passes(10)
    number_mirror.upsert_row(connect().get_number(added["phone_number_id"]), SEEN, listed=True)
    return PhoneNumber.objects.get(remote_id=added["phone_number_id"])


def _create(clock: Clock) -> Callable[[str], Operation]:
    agent(clock, "Support Bot")  # has the same name, and must not be confused with the new one
    body = {"tags": ["new"], "conversation_config": {"agent": {"prompt": {"prompt": "You help."}}}}
    return lambda key: agents.create(name="Support Bot", body=body, key=key, actor=None)


def _update(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    values: dict[str, Any] = {"name": "Help Desk", PROMPT: "You help at night."}
    shown = {"name": "Support Bot", PROMPT: ""}
    return lambda key: agents.update(old, values=values, shown=shown, key=key, actor=None)


def _duplicate(clock: Clock) -> Callable[[str], Operation]:
    source = agent(clock)
    return lambda key: agents.duplicate(source, name="Support Bot 2", key=key, actor=None)


def _archive(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    return lambda key: agents.archive(old, archived=True, key=key, actor=None)


def _restore(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    clock.passes(2)
    clock.remote.console("archive_agent", agent_id=old.remote_id)
    old = mirrored_agent(old.remote_id)
    assert old.archived
    return lambda key: agents.archive(old, archived=False, key=key, actor=None)


def _delete(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    return lambda key: agents.delete(old, key=key, actor=None)


def _import(clock: Clock) -> Callable[[str], Operation]:
    to = agent(clock)

    def ask(key: str) -> Operation:
        return numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=to, key=key, actor=None)

    return ask


def _assign(clock: Clock) -> Callable[[str], Operation]:
    to, line = agent(clock), number(clock)
    return lambda key: numbers.assign(line, to, shown="", key=key, actor=None)


def _move(clock: Clock) -> Callable[[str], Operation]:
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    return lambda key: numbers.assign(line, to, shown=old.remote_id, key=key, actor=None)


def _release(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    line = number(clock, old)
    return lambda key: numbers.assign(line, None, shown=old.remote_id, key=key, actor=None)


def _rename(clock: Clock) -> Callable[[str], Operation]:
    line = number(clock)
    return lambda key: numbers.set_label(line, "Night line", shown="Main", key=key, actor=None)


def _remove(clock: Clock) -> Callable[[str], Operation]:
    old = agent(clock)
    line = number(clock, old)
    return lambda key: numbers.remove(line, shown=old.remote_id, key=key, actor=None)


def plain_write(action: type[NumberAction], method: str = "PATCH") -> Write:
    """The write of an action that needs nothing but a number."""

    def set_up(clock: Clock) -> Callable[[str], Operation]:
        line = number(clock)
        request = action.of(line, shown=action.shown_of(line))
        return lambda key: execute(request, ActionContext(key=key, actor=None))

    return Write(action.name, method, set_up)


WRITES = {
    "create": Write("agent.create", "POST", _create),
    "update": Write("agent.update", "PATCH", _update),
    "duplicate": Write("agent.duplicate", "POST", _duplicate),
    "archive": Write("agent.archive", "PATCH", _archive),
    "restore": Write("agent.archive", "PATCH", _restore),
    "delete": Write("agent.delete", "DELETE", _delete),
    "import": Write("number.import", "POST", _import),
    "assign": Write("number.assign", "PATCH", _assign),
    "move": Write("number.assign", "PATCH", _move),
    "release": Write("number.assign", "PATCH", _release),
    "rename": Write("number.rename", "PATCH", _rename),
    "remove": Write("number.remove", "DELETE", _remove),
}
# For tests of code that is shared by all kinds of operation. The other writes differ only in their parameters.
ONE_OF_EACH_VERB = ["create", "update", "delete", "import", "move", "remove"]
ONE_OF_EACH_METHOD = ["import", "move", "delete"]
