"""Control endpoints for tests: `/_sandbox/` sets switches, faults and the clock, and reads the ledger."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from . import console, ledger, seed
from .errors import unprocessable
from .faults import Fault
from .messages import Answer
from .state import Call
from .validation import details


class Reset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agents: Annotated[int, Field(ge=0)] = 0
    numbers: Annotated[int, Field(ge=0)] = 0


class Clock(BaseModel):
    model_config = ConfigDict(extra="forbid")

    advance: Annotated[float, Field(ge=0, le=10**9)]


class LedgerQuery(BaseModel):
    since: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, lt=2**63)] = 100_000


class CallsQuery(BaseModel):
    since: int = 0
    method: str = "*"
    path: str = "*"
    answered: bool = False
    wait: Annotated[float, Field(ge=0, le=120)] = 0.0


CHANGES = TypeAdapter(dict[str, Any])
FAULTS = TypeAdapter(list[Fault])
RESET = TypeAdapter(Reset)
CLOCK = TypeAdapter(Clock)
CONSOLE = TypeAdapter(console.NumberAction)


def get_settings(call: Call) -> Answer:
    return Answer(call.world.settings.model_dump())


def change_settings(call: Call) -> Answer:
    try:
        call.world.change_settings(call.body)
    except ValidationError as error:
        raise unprocessable(details(error, "body")) from None
    return get_settings(call)


def list_faults(call: Call) -> Answer:
    return Answer(call.world.faults.report())


def add_faults(call: Call) -> Answer:
    call.world.faults.add(call.body)
    return list_faults(call)


def clear_faults(call: Call) -> Answer:
    call.world.faults.clear()
    return Answer([])


def ledger_entries(call: Call) -> Answer:
    query: LedgerQuery = call.query
    with call.state.lock:
        return Answer({"entries": ledger.entries(call.state, since=query.since, limit=query.limit)})


def list_calls(call: Call) -> Answer:
    query: CallsQuery = call.query
    return Answer(call.world.calls.report(**query.model_dump()))


def reset(call: Call) -> Answer:
    body: Reset = call.body
    call.world.reset()
    if body.agents or body.numbers:
        seed.seed(call.state, agents=body.agents, numbers=body.numbers)
    return Answer({"agents": body.agents, "numbers": body.numbers})


def move_clock(call: Call) -> Answer:
    body: Clock = call.body
    call.state.advance(body.advance)
    return Answer({"now": call.state.now()})


def act_in_console(call: Call) -> Answer:
    call.by = "console"
    with call.state.transaction():
        return Answer(console.act(call, call.body))
