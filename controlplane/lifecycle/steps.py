"""The main steps: create, import, wait, assign, swap, remove, delete. They call the services that the pages use."""

import time
from typing import TypeVar

from agents.actions import CreateAgent, DeleteAgent
from agents.models import Agent
from controlplane.elevenlabs import NotFound, is_id
from controlplane.lifecycle.assumptions import NOT_TRIED
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Plan
from controlplane.lifecycle.step import Step
from controlplane.operations.models import Evidence, Operation, State
from numbers import import_polling
from numbers.actions import AssignNumber, RemoveNumber
from numbers.actions.import_number import ImportNumber
from numbers.models import PhoneNumber

SUPPORT, SALES = "Support Bot", "Sales Bot"
FIRST_MESSAGE = "conversation_config.agent.first_message"
PROMPT = "conversation_config.agent.prompt.prompt"
POLL_INTERVAL_S = 0.5  # seconds between two polls for the imported number
ABOUT_FIVE = (1.0, 15.0)  # seconds that count as "about 5 s" of line 22

Row = TypeVar("Row", Agent, PhoneNumber)


def body_of(name: str) -> dict[str, object]:
    return {
        "conversation_config": {
            "agent": {"first_message": f"Hello, this is {name}.", "prompt": {"prompt": f"You are {name}. Be brief."}}
        }
    }


def create_support(x: Experiment, step: Step) -> None:
    x.support = _create(x, step, SUPPORT)


def create_sales(x: Experiment, step: Step) -> None:
    x.sales = _create(x, step, SALES)


def _create(x: Experiment, step: Step, name: str) -> Agent:
    op = x.ask(step, CreateAgent.of(name, body_of(name)), makes="agent", name=name)
    _check_new_id(x, step, op)
    row = Agent.objects.filter(remote_id=op.object_id).first() if op.state == State.DONE else None
    if row is None:
        raise CannotGoOn(step.found)
    step.conclude(True, step.found)
    return row


def _check_new_id(x: Experiment, step: Step, op: Operation) -> None:
    if op.state == State.DONE and step.write is not None and step.write.status is not None:
        good = step.write.status in (200, 201) and is_id(op.object_id)
        x.finding(44, good, f"{step.title}: answered {step.write.status} with an id.", part=step.name != "import")


def import_number(x: Experiment, step: Step) -> None:
    action = ImportNumber.of(x.phone_number, label=x.label)
    op = x.ask(step, action, makes="number", name=x.phone_number, credentials=x.credentials)
    x.accepted, x.told_when = time.monotonic(), step.write is not None and step.write.status in (200, 201)
    _check_new_id(x, step, op)
    x.line = PhoneNumber.objects.filter(remote_id=op.object_id).first() if op.state == State.DONE else None
    if x.line is None:
        raise CannotGoOn(step.found)
    step.conclude(True, step.found)


def wait_until_listed(x: Experiment, step: Step) -> None:
    line = here(x.line)
    by_id = True
    try:
        x.client.get_number(line.remote_id)
    except NotFound:
        by_id = False
    at_once = listed = import_polling.check_again(line, x.client)[0]
    while not listed:
        if time.monotonic() - x.accepted > x.listed_within:
            x.finding(22, False, f"An import was in no list after {x.listed_within:.0f} s.")
            step.conclude(False, f"It is in no list after {x.listed_within:.0f} s.")
            return
        x.runner.pause(POLL_INTERVAL_S)
        line.refresh_from_db()
        listed = line.listed_at is not None or import_polling.check_again(line, x.client)[0]
    if not x.told_when:
        step.outcome, step.found = NOT_TRIED, "It is listed. How long that took is not known: its answer was lost."
        return
    took = time.monotonic() - x.accepted
    step.milliseconds = round(1000 * took)
    words = f"Listed {took:.1f} s after the import was answered; by its id it was {'there' if by_id else 'not found'}"
    good = by_id and not at_once and ABOUT_FIVE[0] <= took <= ABOUT_FIVE[1]
    x.finding(22, good, f"{words} before that.")
    step.conclude(good, f"{words} before that.")


def assign(x: Experiment, step: Step) -> None:
    line, support = here(x.line), here(x.support)
    op = x.ask(step, AssignNumber.of(line, support, shown=""))
    if op.state != State.DONE:
        raise CannotGoOn(step.found)
    x.finding(
        53, op.evidence == Evidence.ANSWERED, "The answer to an assignment showed the binding that it had just set."
    )
    step.conclude(True, step.found)


def swap(x: Experiment, step: Step) -> None:
    """With one PATCH; if that is refused, after releasing the number first."""
    line, support, sales = here(x.line), here(x.support), here(x.sales)
    op = x.ask(step, AssignNumber.of(line, sales, shown=support.remote_id))
    if op.state == State.REFUSED:
        refusal = step.found
        x.ask(step, AssignNumber.of(line, None, shown=support.remote_id))
        op = x.ask(step, AssignNumber.of(line, sales, shown=""))
        step.found = f"{refusal} So it was released first. {step.found}"
    writes = [attempt for attempt in step.wire if attempt.method != "GET"]
    step.observe()
    step.milliseconds = round(sum(attempt.milliseconds for attempt in writes))
    if op.state != State.DONE:
        raise CannotGoOn(step.found)
    # a refused one changed nothing
    needed = sum(attempt.status is not None and attempt.status < 300 for attempt in writes)
    x.facts["hot_swap"] = max(needed, x.facts.get("hot_swap", 0))
    step.conclude(len(writes) == 1, step.found)


def read_back(x: Experiment, step: Step) -> None:
    line, sales = here(x.line), here(x.sales)
    wanted = line.remote_id
    seen = {
        "by its id": x.client.get_number(wanted).agent_id == sales.remote_id,
        "in the list of the agent's numbers": any(
            row.get("phone_number_id") == wanted for row in x.client.all_numbers(agent_id=sales.remote_id)
        ),
        "in the agent itself": any(
            row.get("phone_number_id") == wanted for row in x.client.get_agent(sales.remote_id).phone_numbers
        ),
    }
    late = [where for where, there in seen.items() if not there]
    words = f"Not seen at once {', '.join(late)}." if late else f"Seen at once {', '.join(seen)}."
    x.finding(24, not late, f"After the swap: {words[0].lower()}{words[1:]}", part=True)
    step.conclude(not late, words)


def remove(x: Experiment, step: Step) -> None:
    line = here(x.line)
    bound = x.client.get_number(line.remote_id).agent_id or ""
    op = x.ask(step, RemoveNumber.of(line, shown=bound))
    if op.state != State.DONE:
        step.conclude(False, step.found)
        return
    x.gone(line.remote_id)
    if (write := step.write) is not None and write.status is not None:
        x.finding(26, (write.status, write.form) == (200, "null"), f"Number: {write.status}, {write.form}.", part=True)
        x.finding(45, write.form != "not JSON", f"Deletion of the number: {write.status}, {write.form}.", part=True)
    try:
        x.client.get_number(line.remote_id)
        gone = False
    except NotFound:
        gone = not any(row.get("phone_number_id") == line.remote_id for row in x.client.all_numbers())
    x.finding(24, gone, f"After the removal the number was {'gone' if gone else 'still there'} at once.")
    step.conclude(gone, step.found if gone else f"{step.found} But a read right after it still showed it.")


def delete_support(x: Experiment, step: Step) -> None:
    _delete(x, step, here(x.support))


def delete_sales(x: Experiment, step: Step) -> None:
    _delete(x, step, here(x.sales))


def _delete(x: Experiment, step: Step, agent: Agent) -> None:
    op = x.ask(step, DeleteAgent.of(agent))
    if op.state == State.DONE:
        x.gone(agent.remote_id)
    step.conclude(op.state == State.DONE, step.found)


def here(row: Row | None) -> Row:
    if row is None:
        raise CannotGoOn("What this step builds on was not made.")
    return row


CREATE_SUPPORT = Plan("create", f"Create “{SUPPORT}”", "service", "An id comes back.", create_support)
CREATE_SALES = Plan("create", f"Create “{SALES}”", "service", "An id comes back.", create_sales)
IMPORT = Plan("import", "Import the number", "service", "An id comes back.", import_number)
LISTED = Plan(
    "listed",
    "Wait until it is listed",
    "read",
    "In a list after about 5 s (1 to 15); by its id at once.",
    wait_until_listed,
)
ASSIGN = Plan("assign", f"Assign it to “{SUPPORT}”", "service", "The answer shows the binding.", assign)
SWAP = Plan("swap", f"Swap it to “{SALES}” without detaching it", "service", "One PATCH does it.", swap)
READ_BACK = Plan("read back", "Read the swap back", "read", "Every read shows it at once.", read_back)
REMOVE = Plan("remove", "Remove the number", "service", "Every read shows it at once.", remove)
DELETE_SUPPORT = Plan("delete", f"Delete “{SUPPORT}”", "service", "It is deleted.", delete_support)
DELETE_SALES = Plan("delete", f"Delete “{SALES}”", "service", "It is deleted.", delete_sales)

AGAIN = [CREATE_SUPPORT, IMPORT, LISTED, ASSIGN, CREATE_SALES, SWAP, READ_BACK, REMOVE, DELETE_SUPPORT, DELETE_SALES]
