"""The main steps: create, import, wait, assign, swap, remove, delete. They call the services that the pages use."""

import time
from typing import TypeVar

from agents.actions import CreateAgent, DeleteAgent
from agents.models import Agent
from controlplane.elevenlabs import is_id
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Plan, Step, planned
from controlplane.lifecycle.live import run_checks
from controlplane.lifecycle.report import NOT_TRIED
from controlplane.operations.models import Evidence, Operation, State
from numbers import import_polling
from numbers.actions import AssignNumber, RemoveNumber, get_number
from numbers.actions.import_number import ImportNumber
from numbers.models import PhoneNumber

SUPPORT, SALES = "Support Bot", "Sales Bot"
LABEL = "Lifecycle"
POLL_INTERVAL_S = 0.5  # between two polls for the imported number
ABOUT_FIVE_S = (1.0, 15.0)  # what counts as "about 5 s" of line 22

Row = TypeVar("Row", Agent, PhoneNumber)


def body_of(name: str) -> dict[str, object]:
    return {
        "conversation_config": {
            "agent": {"first_message": f"Hello, this is {name}.", "prompt": {"prompt": f"You are {name}. Be brief."}}
        }
    }


def create(name: str) -> Plan:
    @planned("create", f"Create “{name}”", "service", "An id comes back.")
    def create_agent(ctx: Experiment, step: Step) -> None:
        op = ctx.request(step, CreateAgent.of(name, body_of(name)))
        ctx.agents[name] = _created_row(ctx, step, op, Agent)

    return create_agent


@planned("import", "Import the number", "service", "An id comes back.")
def import_number(ctx: Experiment, step: Step) -> None:
    op = ctx.request(step, ImportNumber.of(ctx.phone_number, label=LABEL), ctx.credentials)
    ctx.import_answered_at = time.monotonic() if step.status in (200, 201) else None
    ctx.line = _created_row(ctx, step, op, PhoneNumber)


def _created_row(ctx: Experiment, step: Step, op: Operation, model: type[Row]) -> Row:
    """The mirrored row of what the step has created."""
    if op.state == State.DONE and step.status is not None:
        has_id = step.status in (200, 201) and is_id(op.object_id)
        ctx.finding(44, has_id, f"{step.title}: answered {step.status} with an id.", part=step.name != "import")
    row = model.objects.filter(remote_id=op.object_id).first() if op.state == State.DONE else None
    if row is None:
        raise CannotGoOn(step.found)
    step.conclude(True, step.found)
    return row


@planned("listed", "Wait until it is listed", "read", "In a list after about 5 s (1 to 15); by its id at once.")
def wait_until_listed(ctx: Experiment, step: Step) -> None:
    imported_at = ctx.import_answered_at or time.monotonic()
    by_id = get_number(ctx.client, ctx.line.remote_id) is not None
    at_once = is_listed = import_polling.check_again(ctx.line, ctx.client)[0]
    while not is_listed:
        if time.monotonic() - imported_at > ctx.listed_within:
            ctx.finding(22, False, f"An import was in no list after {ctx.listed_within:.0f} s.")
            step.conclude(False, f"It is in no list after {ctx.listed_within:.0f} s.")
            return
        ctx.runner.pause(POLL_INTERVAL_S)
        ctx.line.refresh_from_db()
        is_listed = ctx.line.listed_at is not None or import_polling.check_again(ctx.line, ctx.client)[0]
    if ctx.import_answered_at is None:
        step.outcome, step.found = NOT_TRIED, "It is listed. How long that took is not known: its answer was lost."
        return
    took = time.monotonic() - imported_at
    step.milliseconds = round(1000 * took)
    seen = "there" if by_id else "not found"
    found = f"Listed {took:.1f} s after the import was answered; by its id it was {seen} before that."
    is_expected = by_id and not at_once and ABOUT_FIVE_S[0] <= took <= ABOUT_FIVE_S[1]
    ctx.finding(22, is_expected, found)
    step.conclude(is_expected, found)


@planned("assign", f"Assign it to “{SUPPORT}”", "service", "The answer shows the binding.")
def assign(ctx: Experiment, step: Step) -> None:
    op = ctx.request(step, AssignNumber.of(ctx.line, ctx.agents[SUPPORT], shown=""))
    if op.state != State.DONE:
        raise CannotGoOn(step.found)
    is_shown = op.evidence == Evidence.ANSWERED
    ctx.finding(53, is_shown, "The answer to an assignment showed the binding that it had just set.")
    step.conclude(True, step.found)


@planned("swap", f"Swap it to “{SALES}” without detaching it", "service", "One PATCH does it.")
def swap(ctx: Experiment, step: Step) -> None:
    """With one PATCH; if that is refused, after unassigning the number first."""
    support, sales = ctx.agents[SUPPORT], ctx.agents[SALES]
    op = ctx.request(step, AssignNumber.of(ctx.line, sales, shown=support.remote_id))
    if op.state == State.REFUSED:
        refusal = step.found
        ctx.request(step, AssignNumber.of(ctx.line, None, shown=support.remote_id))
        op = ctx.request(step, AssignNumber.of(ctx.line, sales, shown=""))
        step.found = f"{refusal} So it was unassigned first. {step.found}"
    step.milliseconds = round(sum(attempt.milliseconds for attempt in step.sent))
    if op.state != State.DONE:
        raise CannotGoOn(step.found)
    # a refused one changed nothing
    needed = sum(attempt.status is not None and attempt.status < 300 for attempt in step.sent)
    ctx.facts["hot_swap"] = max(needed, ctx.facts["hot_swap"] or 0)
    step.conclude(len(step.sent) == 1, step.found)


@planned("read back", "Read the swap back", "read", "Every read shows it at once.")
def read_back(ctx: Experiment, step: Step) -> None:
    number_id, sales_id = ctx.line.remote_id, ctx.agents[SALES].remote_id
    listed = [row.get("phone_number_id") for row in ctx.client.all_numbers(agent_id=sales_id)]
    of_agent = [row.get("phone_number_id") for row in ctx.client.get_agent(sales_id).phone_numbers]
    seen = {
        "by its id": ctx.client.get_number(number_id).agent_id == sales_id,
        "in the list of the agent's numbers": number_id in listed,
        "in the agent itself": number_id in of_agent,
    }
    late = [where for where, is_seen in seen.items() if not is_seen]
    found = f"Not seen at once {', '.join(late)}." if late else f"Seen at once {', '.join(seen)}."
    ctx.finding(24, not late, f"After the swap: {found[0].lower()}{found[1:]}", part=True)
    step.conclude(not late, found)


@planned("look", "Look at the lists as live_check does", "read", "Every list fits its schema.")
def look(ctx: Experiment, step: Step) -> None:
    checks, findings = run_checks(ctx.client)
    ctx.findings += findings
    failed = [check for check in checks if check.level == "fail"]
    notes = [f"{check.name}: {check.message}" for check in failed or checks if check.level != "ok"]
    step.conclude(not failed, " ".join(notes) or "Every check of live_check passed.")


@planned("remove", "Remove the number", "service", "Every read shows it at once.")
def remove(ctx: Experiment, step: Step) -> None:
    number_id = ctx.line.remote_id
    bound = ctx.client.get_number(number_id).agent_id or ""
    op = ctx.request(step, RemoveNumber.of(ctx.line, shown=bound))
    if op.state != State.DONE:
        step.conclude(False, step.found)
        return
    ctx.mark_removed(number_id)
    if step.status is not None:
        answer = f"{step.status}, {step.sent[-1].form}."
        ctx.finding(26, answer == "200, null.", f"Number: {answer}", part=True)
        ctx.finding(45, step.sent[-1].form != "not JSON", f"Deletion of the number: {answer}", part=True)
    is_listed = any(row.get("phone_number_id") == number_id for row in ctx.client.all_numbers())
    is_gone = not is_listed and get_number(ctx.client, number_id) is None
    ctx.finding(24, is_gone, f"After the removal the number was {'gone' if is_gone else 'still there'} at once.")
    step.conclude(is_gone, step.found if is_gone else f"{step.found} But a read right after it still showed it.")


def delete(name: str) -> Plan:
    @planned("delete", f"Delete “{name}”", "service", "It is deleted.")
    def delete_agent(ctx: Experiment, step: Step) -> None:
        op = ctx.request(step, DeleteAgent.of(ctx.agents[name]))
        if op.state == State.DONE:
            ctx.mark_removed(op.object_id)
        step.conclude(op.state == State.DONE, step.found)

    return delete_agent


MAIN = [import_number, wait_until_listed, assign, create(SALES), swap, read_back]
