"""Removes what this run and earlier ones created, and nothing else, from the committed records alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from django.db import connection
from django.utils import timezone

from agents.actions import DeleteAgent
from controlplane.audit.justification import ReasonRequired
from controlplane.elevenlabs import ElevenLabsError
from controlplane.elevenlabs.scrub import scrub
from controlplane.lifecycle.models import MAX_REPORTS, Asked, Report
from controlplane.lifecycle.runner import Runner, find_agent, result_summary
from controlplane.operations import outcome
from controlplane.operations.actions import Verdict, action_of
from controlplane.operations.errors import Expired, ResourceLocked
from controlplane.operations.models import Evidence, Operation, State
from numbers.actions import RemoveNumber, get_number

CREATED_NOTHING = (State.REFUSED, State.NOT_SENT, State.NOT_APPLIED)
RETRY_FOR_S, RETRY_EVERY_S = 60.0, 2.0  # the removal of a number that is not visible yet

Print = Callable[[str], object]


class NotOurs(Exception):
    """Another user uses the object by now, so it is left as it is."""


@dataclass(frozen=True)
class Leftover:
    """An object that was created and could not be removed, or whose state is unknown."""

    asked: Asked
    object_id: str
    reason: str
    elsewhere: bool = False  # at another remote or in another workspace than configured

    def __str__(self) -> str:
        return f"{self.asked.makes} {self.asked.name} {self.object_id or '(id unknown)'}: {self.reason}"


def clean_up(runner: Runner, print_line: Print) -> list[Leftover]:
    """Remove everything that the runner's run created. Numbers go first: an agent that answers one is not deleted."""
    for asked in runner.report.asked.all():
        op = asked.operation
        if op is not None and op.is_open:
            print_line(f"Looking up the result of: {op.title}")
            runner.decided(_close_abandoned(op))
    left = [remove(runner, asked, print_line) for asked in runner.report.to_remove().order_by("-makes", "id")]
    return [one for one in left if one is not None]


def _close_abandoned(op: Operation) -> Operation:
    """Close an intent whose process is dead: nothing was sent. Only the holder of the run's lock knows that it is
    dead."""
    if op.state != State.INTENT:
        return op
    verdict = Verdict(State.NOT_SENT, "Not sent. The process that was to send it ended first.")
    return outcome.finish(op, action_of(op), verdict, Evidence.NOT_RECORDED, since=State.INTENT)


def remove(runner: Runner, asked: Asked, print_line: Print) -> Leftover | None:
    op = asked.operation
    if op is None or (not op.object_id and op.state in CREATED_NOTHING):
        return None
    if not op.object_id:
        return Leftover(asked, "", result_summary(op))
    print_line(f"Removing the {asked.makes} {asked.name} {op.object_id}")
    names = {"object": op.display_names["object"]}
    try:
        if asked.makes == "number":
            removal = _remove_number(runner, op.object_id, names)
        else:
            removal = runner.request(DeleteAgent(object_id=op.object_id, display_names=names))
    except (ElevenLabsError, NotOurs, ResourceLocked, Expired, ReasonRequired) as error:
        return Leftover(asked, op.object_id, str(error) or "It took too long to check.")
    if removal.state != State.DONE:
        return Leftover(asked, op.object_id, result_summary(removal))
    asked.removed_at = timezone.now()
    asked.save(update_fields=["removed_at"])
    return None


def _remove_number(runner: Runner, number_id: str, names: dict[str, str]) -> Operation:
    waited = 0.0
    while True:
        remote = get_number(runner.client, number_id)
        bound = remote.agent_id if remote else None
        if bound and not _was_created_by(runner.report, bound) and find_agent(runner.client, bound):
            raise NotOurs("It was assigned to another agent meanwhile, so it is left as it is.")
        removal = runner.request(RemoveNumber(object_id=number_id, display_names=names, shown=bound))
        if removal.state != State.NOT_SENT or remote is not None or waited >= RETRY_FOR_S:
            return removal
        runner.pause(RETRY_EVERY_S)  # the import is in no list yet, and is not found by its id either
        waited += RETRY_EVERY_S


def _was_created_by(report: Report, agent_id: str) -> bool:
    keys = report.asked.filter(makes="agent").values("key")
    return Operation.objects.filter(key__in=keys, object_id=agent_id).exists()


def end(runner: Runner, print_line: Print) -> list[Leftover]:
    """Clean up, whether or not the run was interrupted. A second Ctrl-C stops the clean-up too and lists what is
    left."""
    try:
        print_line("Cleaning up …")
        _leave_interrupted_statement()
        left = clean_up(replace(runner, stopping=Event()), print_line)
    except KeyboardInterrupt:
        _leave_interrupted_statement()
        left = _not_removed(runner.report, "Not removed: the clean-up was stopped.")
    for one in left:
        print_line(f"  Left over: {one}")
    return left


def _leave_interrupted_statement() -> None:
    """Ctrl-C may have interrupted a statement. A PostgreSQL connection then accepts no other one, so it is replaced by
    a new one; inside a transaction it cannot be replaced."""
    if not connection.in_atomic_block:
        connection.close()


def clean_up_before(runner: Runner, print_line: Print, *, forget: bool = False) -> list[Leftover]:
    """Clean up what earlier runs left at this remote. Leftovers at another remote or workspace are only listed; with
    `forget`, for the last time: nothing is sent, and their report keeps showing them and who decided to leave them."""
    here = (runner.report.base_url, runner.report.workspace)
    found: list[Leftover] = []
    for report in Report.objects.exclude(pk=runner.report.pk).filter(asked__removed_at=None).distinct():
        if (report.base_url, report.workspace) == here:
            left = clean_up(replace(runner, report=report, stopping=Event()), print_line)
            found += left
            report.data = report.data and with_leftovers(report.data, left)
        else:
            where = f"It was made at {report.base_url} {report.workspace}, and this is another workspace."
            left = _not_removed(report, where, elsewhere=True)
            if not forget:
                found += left
                continue
            by = f"{runner.report.actor_name} ({runner.justification.reason})"
            asked = report.asked.filter(pk__in=[one.asked.pk for one in left])
            asked.update(forgotten_at=timezone.now(), forgotten_by=by)
            for one in left:
                print_line(f"Forgotten, and still there: {one}")
        if report.state == Report.State.RUNNING:
            report.state, report.ended_at = Report.State.BROKEN_OFF, timezone.now()
            report.data = report.data and report.data | {"broken_off": "its process ended before the run was complete."}
        report.save()
    return found


def with_leftovers(data: dict[str, Any], left: list[Leftover]) -> dict[str, Any]:
    return data | {"left": [scrub(str(one)) for one in left]}


def delete_old_reports() -> None:
    """Keep the newest `MAX_REPORTS` reports, and older ones that still have something to clean up."""
    newest = list(Report.objects.values_list("pk", flat=True)[:MAX_REPORTS])
    for report in Report.objects.exclude(pk__in=newest):
        if not _not_removed(report, ""):
            report.delete()


def _not_removed(report: Report, reason: str, *, elsewhere: bool = False) -> list[Leftover]:
    """What a run may have left at the remote."""
    found = [(asked, asked.operation) for asked in report.to_remove()]
    return [
        Leftover(asked, op.object_id, reason, elsewhere)
        for asked, op in found
        if op is not None and (op.object_id or op.is_open)
    ]
