"""Cleans up after this run and earlier ones, and lists what is left."""

from threading import Event

from django.db import connection
from django.utils import timezone

from controlplane.lifecycle.models import MAX_REPORTS, Asked, Report
from controlplane.lifecycle.removal import Leftover, Print, clean_up
from controlplane.lifecycle.report import with_leftovers
from controlplane.lifecycle.runner import Runner
from controlplane.operations.models import Operation


def end(runner: Runner, print_line: Print) -> list[Leftover]:
    """Clean up, whether or not the run was interrupted. A second Ctrl-C stops the clean-up too and lists what is
    left."""
    cleaner = Runner(
        runner.report,
        runner.client,
        actor=runner.actor,
        justification=runner.justification,
        stopping=Event(),
    )
    try:
        print_line("Cleaning up …")
        _leave_interrupted_statement()
        left = clean_up(cleaner, print_line)
    except KeyboardInterrupt:
        _leave_interrupted_statement()
        reason = "Not removed: the clean-up was stopped."
        left = [Leftover(asked.makes, asked.name, op.object_id, reason) for asked, op in _not_removed(runner.report)]
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
    `forget`, for the last time."""
    found: list[Leftover] = []
    for report in Report.objects.exclude(pk=runner.report.pk).filter(asked__removed_at=None).distinct():
        if (report.base_url, report.workspace) != (runner.report.base_url, runner.report.workspace):
            elsewhere = _left_elsewhere(report)
            if forget:
                _forget(report, runner, elsewhere, print_line)
            else:
                found += elsewhere
            continue
        cleaner = Runner(
            report,
            runner.client,
            actor=runner.actor,
            justification=runner.justification,
            stopping=Event(),
        )
        left = clean_up(cleaner, print_line)
        found += left
        _mark_as_aborted(report)
        report.data = report.data and with_leftovers(report.data, left)
        report.save()
    return found


def _left_elsewhere(report: Report) -> list[Leftover]:
    reason = f"It was made at {report.base_url} {report.workspace}, and this is another workspace."
    return [
        Leftover(asked.makes, asked.name, op.object_id, reason, elsewhere=True) for asked, op in _not_removed(report)
    ]


def _forget(report: Report, runner: Runner, left: list[Leftover], print_line: Print) -> None:
    """Mark the leftovers as forgotten. Nothing is sent, and the report keeps showing what was left and who decided to
    leave it."""
    values = {
        "forgotten_at": timezone.now(),
        "forgotten_by": f"{runner.report.actor_name} ({runner.justification.reason})",
    }
    report.asked.filter(pk__in=[asked.pk for asked, _ in _not_removed(report)]).update(**values)
    _mark_as_aborted(report)
    report.save()
    for one in left:
        print_line(f"Forgotten, and still there: {one}")


def _mark_as_aborted(report: Report) -> None:
    if report.state == Report.State.RUNNING:
        report.state, report.ended_at = Report.State.BROKEN_OFF, timezone.now()
        report.data = report.data and report.data | {"broken_off": "its process ended before the run was complete."}


def delete_old_reports() -> None:
    """Keep the newest `MAX_REPORTS` reports, and older ones that still have something to clean up."""
    newest = list(Report.objects.values_list("pk", flat=True)[:MAX_REPORTS])
    for report in Report.objects.exclude(pk__in=newest):
        if not _not_removed(report):
            report.delete()


def _not_removed(report: Report) -> list[tuple[Asked, Operation]]:
    """What a run may have left at the remote, with the operation that was to create it."""
    requested = report.asked.filter(removed_at=None, forgotten_at=None).exclude(makes="")
    found = [(asked, asked.operation) for asked in requested]
    return [(asked, op) for asked, op in found if op is not None and (op.object_id or op.is_open)]
