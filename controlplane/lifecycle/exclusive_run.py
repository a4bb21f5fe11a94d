"""Runs one check at a time, from its row to its report, and cleans up whatever interrupts it."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from controlplane.lifecycle import edge_cases, steps
from controlplane.lifecycle.cleanup import end, with_leftovers
from controlplane.lifecycle.experiment import CannotGoOn, Experiment
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import is_as_expected
from controlplane.lifecycle.runner import Stopped
from controlplane.lifecycle.steps import SALES, SUPPORT
from controlplane.traffic.locks import locks

log = logging.getLogger(__name__)

create_support = steps.create(SUPPORT)
BEGINNING = [create_support, *edge_cases.IMPORTS, *steps.MAIN, steps.look, edge_cases.import_again]
FIRST = [*BEGINNING, *edge_cases.ASSIGNMENTS, *edge_cases.DELETION, steps.remove, steps.delete(SALES)]
LATER = [create_support, *steps.MAIN, steps.remove, steps.delete(SUPPORT), steps.delete(SALES)]


class Busy(Exception):
    """Another run is under way."""


@contextmanager
def exclusive() -> Iterator[None]:
    """At most one run per database. The lock ends with its process, so what a killed run left open has no owner.

    PostgreSQL's advisory locks are per database. Several SQLite files may be in one folder, so their lock names the
    file.
    """
    name = "lifecycle"
    if connection.vendor != "postgresql":
        file = Path(connection.settings_dict["NAME"]).resolve()
        name = f"lifecycle-{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    release = locks().first_free([name])
    if release is None:
        raise Busy
    try:
        yield
    finally:
        release()


def run(ctx: Experiment, rounds: int) -> dict[str, Any]:
    """Run all rounds and return the report's data. Must be called inside `exclusive`."""
    ctx.save_progress()
    try:
        for number in range(1, rounds + 1):
            ctx.run(FIRST if number == 1 else LATER, number)
    except CannotGoOn as error:
        log.info("The run cannot go on: %s", error)
    except Stopped:
        ctx.broken_off = "it was stopped."
    except KeyboardInterrupt:
        ctx.broken_off = "it was stopped at once."
    except Exception as error:
        log.exception("The run ended with an error.")
        ctx.broken_off = f"it ended with an error of this program ({type(error).__name__})."
    left = end(ctx.runner, ctx.print_line)
    report = ctx.runner.report
    report.data = data = with_leftovers(ctx.data(), left)
    report.ended_at = timezone.now()
    report.state = Report.State.AS_ASSUMED if is_as_expected(data) else Report.State.OTHERWISE
    if ctx.broken_off:
        report.state = Report.State.BROKEN_OFF
    report.save()
    return data
