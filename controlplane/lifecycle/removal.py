"""Deletes what a run created, and nothing else, from the committed records alone."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from agents import mirror as agent_mirror
from agents.actions import DeleteAgent
from agents.models import Agent
from controlplane.audit.justification import ReasonRequired
from controlplane.elevenlabs import ElevenLabsError, NotFound
from controlplane.lifecycle.models import Asked
from controlplane.lifecycle.runner import Runner, close_abandoned, requested_ids, result_summary
from controlplane.operations.errors import Expired, ResourceLocked
from controlplane.operations.models import Operation, State
from numbers import mirror as number_mirror
from numbers.actions import RemoveNumber
from numbers.models import PhoneNumber

CREATED_NOTHING = (State.REFUSED, State.NOT_SENT, State.NOT_APPLIED)
SEEN_WITHIN = 60.0  # seconds for which the removal of a number that is not visible yet is retried
TRY_EVERY = 2.0

Print = Callable[[str], object]


class NotOurs(Exception):
    """Another user uses the object by now, so it is left as it is."""


@dataclass(frozen=True)
class Leftover:
    """An object that was created and could not be removed, or whose state is unknown."""

    what: str
    name: str
    object_id: str
    reason: str
    elsewhere: bool = False  # at another remote or in another workspace than configured

    def __str__(self) -> str:
        return f"{self.what} {self.name} {self.object_id or '(id unknown)'}: {self.reason}"


def clean_up(runner: Runner, print_line: Print) -> list[Leftover]:
    """Remove everything that the runner's run created. Numbers go first: an agent that answers one is not deleted."""
    for asked in runner.report.asked.all():
        op = asked.operation
        if op is not None and op.is_open:
            print_line(f"Looking up what became of: {op.title}")
            runner.decided(close_abandoned(op))
    requested = (
        runner.report.asked.filter(removed_at=None, forgotten_at=None).exclude(makes="").order_by("-makes", "id")
    )
    left = [remove(runner, asked, print_line) for asked in requested]
    return [one for one in left if one is not None]


def remove(runner: Runner, asked: Asked, print_line: Print) -> Leftover | None:
    op = asked.operation
    if op is None or (not op.object_id and op.state in CREATED_NOTHING):
        return None
    if not op.object_id:
        return Leftover(asked.makes, asked.name, "", result_summary(op))
    print_line(f"Removing the {asked.makes} {asked.name} {op.object_id}")
    try:
        removal = _number(runner, op) if asked.makes == "number" else _agent(runner, op)
    except (ElevenLabsError, NotOurs, ResourceLocked, Expired, ReasonRequired) as error:
        return Leftover(asked.makes, asked.name, op.object_id, str(error) or "It took too long to check.")
    if removal is None or removal.state == State.DONE:
        asked.removed_at = timezone.now()
        asked.save(update_fields=["removed_at"])
        return None
    return Leftover(asked.makes, asked.name, op.object_id, result_summary(removal))


def _number(runner: Runner, op: Operation) -> Operation | None:
    waited = 0.0
    while True:
        exists, removal = _try_number(runner, op)
        if removal is None or removal.state != State.NOT_SENT or exists or waited >= SEEN_WITHIN:
            return removal
        runner.pause(TRY_EVERY)  # the import is in no list yet, and is not found by its id either
        waited += TRY_EVERY


def _try_number(runner: Runner, op: Operation) -> tuple[bool, Operation | None]:
    """(whether the number is found by its id, its removal). The removal is None if it is not found and has no row
    here."""
    try:
        remote = runner.client.get_number(op.object_id)
    except NotFound:
        remote = None
    bound = remote.agent_id if remote else None
    if bound and bound not in requested_ids(runner.report, "agent") and _agent_exists(runner, bound):
        raise NotOurs("It was assigned to another agent meanwhile, so it is left as it is.")
    row = PhoneNumber.objects.filter(remote_id=op.object_id).first()
    if row is None and remote is not None:
        number_mirror.upsert_row(remote, op.external_cause)
        row = PhoneNumber.objects.get(remote_id=op.object_id)
    if row is None:
        return False, None
    return remote is not None, runner.ask(RemoveNumber.of(row, shown=bound or ""))


def _agent(runner: Runner, op: Operation) -> Operation | None:
    row = Agent.objects.filter(remote_id=op.object_id).first()
    if row is None:
        try:
            agent_mirror.upsert_row(runner.client.get_agent(op.object_id), op.external_cause)
        except NotFound:
            return None
        row = Agent.objects.get(remote_id=op.object_id)
    return runner.ask(DeleteAgent.of(row))


def _agent_exists(runner: Runner, agent_id: str) -> bool:
    try:
        runner.client.get_agent(agent_id)
    except NotFound:
        return False
    return True
