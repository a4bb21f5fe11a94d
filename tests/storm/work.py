"""The work of one process of the storm until it is killed: any write available to staff, and the workers' tasks."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db.models import QuerySet

from agents.models import Agent
from controlplane.audit import chain
from controlplane.mirror import runs
from controlplane.mirror.json_paths import get
from controlplane.operations import settle
from controlplane.operations.errors import Expired, ResourceLocked
from controlplane.operations.models import Operation
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers

CREDENTIALS = numbers.TwilioCredentials(sid="AC" + "1" * 32, token="0f1e2d3c4b5a69788796a5b4c3d2e1f0")
PROMPT = "conversation_config.agent.prompt.prompt"
LINES = [f"+1555010{line:04}" for line in range(100)]  # imported, removed and imported again
DOUBLE_CLICKS = 0.1  # of all writes; the second click must do nothing
CONTENDED = 0.2  # of all choices pick one of a few, so that two processes compete for it

Write = Callable[[str], Operation]  # called with the idempotency key

# A killed process leaves its intent, its run and its claims behind. Seconds replace minutes here; this is safe for slow
# processes that are still alive: they notice, and write nothing.
settle.INTENT_EXPIRES_AFTER = timedelta(seconds=12)
settle.LEASE = import_polling.LEASE = runs.LEASE = timedelta(seconds=5)


def go_on(seed: str, may_go_on: Callable[[], bool]) -> None:
    dice = random.Random(seed)
    while may_go_on():
        if dice.random() < 0.75:
            write(dice)
        else:
            dice.choices([sync_all, settle.settle_due, import_polling.poll_due, chain.seal], [2, 4, 2, 1])[0]()


def write(dice: random.Random) -> None:
    ask = dice.choice(WRITES)(dice)
    if ask is None:
        return  # there is no suitable object
    key = str(uuid4())
    try:
        ask(key)
        if dice.random() < DOUBLE_CLICKS:
            ask(key)
    except (ResourceLocked, Expired):  # another process holds it, or decided that this one was dead
        pass


def one_of(rows: QuerySet[Any], dice: random.Random) -> Any:
    """Picked in the order of age."""
    pks = list(rows.order_by("pk").values_list("pk", flat=True))
    if not pks:
        return None
    return rows.model._default_manager.filter(pk=dice.choice(pks[:4] if dice.random() < CONTENDED else pks)).first()


def an_agent(dice: random.Random, **which: Any) -> Any:
    return one_of(Agent.objects.filter(gone_at=None, **which), dice)


def a_number(dice: random.Random, bound: bool | None = None) -> Any:
    here = PhoneNumber.objects.existing().exclude(listed_at=None)
    if bound is not None:
        here = here.exclude(bound_to="") if bound else here.filter(bound_to="")
    return one_of(here, dice)


def some_text() -> str:
    """Unique, so that a write in the remote's ledger belongs to one operation."""
    return uuid4().hex[:12]


# --- Agents ---------------------------------------------------------------------------------------------------------
def create(dice: random.Random) -> Write | None:
    name = f"Agent {dice.randrange(1000) if dice.random() < 0.5 else some_text()}"
    body = {"tags": ["storm"], "conversation_config": {"agent": {"prompt": {"prompt": some_text()}}}}
    return lambda key: agents.create(name=name, body=body, key=key, actor=None)


def update(dice: random.Random) -> Write | None:
    if (agent := an_agent(dice)) is None:
        return None
    values = {PROMPT: some_text()}
    if dice.random() < 0.3:
        values["name"] = f"Renamed {some_text()}"
    shown = {path: get(agent.remote_data, path) for path in values}
    return lambda key: agents.update(agent, values=values, shown=shown, key=key, actor=None)


def duplicate(dice: random.Random) -> Write | None:
    if (source := an_agent(dice)) is None:
        return None
    name = f"Copy {some_text()}"
    return lambda key: agents.duplicate(source, name=name, key=key, actor=None)


def archive(dice: random.Random) -> Write | None:
    agent = an_agent(dice, archived=False, numbers=None)
    return agent and (lambda key: agents.archive(agent, archived=True, key=key, actor=None))


def restore(dice: random.Random) -> Write | None:
    agent = an_agent(dice, archived=True)
    return agent and (lambda key: agents.archive(agent, archived=False, key=key, actor=None))


def delete(dice: random.Random) -> Write | None:
    agent = an_agent(dice) if dice.random() < 0.1 else an_agent(dice, numbers=None)
    return agent and (lambda key: agents.delete(agent, key=key, actor=None))


# --- Numbers --------------------------------------------------------------------------------------------------------
def import_(dice: random.Random) -> Write | None:
    line, label = dice.choice(LINES), f"Line {some_text()}"
    agent = an_agent(dice, archived=False) if dice.random() < 0.5 else None

    def ask(key: str) -> Operation:
        return numbers.import_number(line, label=label, credentials=CREDENTIALS, agent=agent, key=key, actor=None)

    return ask


def assign(dice: random.Random) -> Write | None:
    return _bind(a_number(dice, bound=False), an_agent(dice, archived=False))


def move(dice: random.Random) -> Write | None:
    number = a_number(dice, bound=True)
    return number and _bind(number, an_agent(dice, archived=False))


def release(dice: random.Random) -> Write | None:
    number = a_number(dice, bound=True)
    return number and (lambda key: numbers.assign(number, None, shown=number.bound_to, key=key, actor=None))


def _bind(number: PhoneNumber | None, agent: Agent | None) -> Write | None:
    if number is None or agent is None:
        return None
    return lambda key: numbers.assign(number, agent, shown=number.bound_to, key=key, actor=None)


def rename(dice: random.Random) -> Write | None:
    if (number := a_number(dice)) is None:
        return None
    label = f"Label {some_text()}"
    return lambda key: numbers.set_label(number, label, shown=number.label, key=key, actor=None)


def remove(dice: random.Random) -> Write | None:
    number = a_number(dice)
    return number and (lambda key: numbers.remove(number, shown=number.bound_to, key=key, actor=None))


WRITES: list[Callable[[random.Random], Write | None]] = [
    *(create, update, duplicate, archive, restore, delete),
    *(import_, assign, move, release, rename, remove),
]
