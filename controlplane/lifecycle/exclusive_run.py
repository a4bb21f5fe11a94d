"""Runs one check at a time, from its row to its report, and cleans up whatever interrupts it."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError
from controlplane.lifecycle import edge_cases, refused_imports, steps
from controlplane.lifecycle.cleanup import end
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Plan
from controlplane.lifecycle.inspection import LOOK
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.report import as_json, is_as_assumed, with_leftovers
from controlplane.lifecycle.runner import Stopped
from controlplane.traffic.locks import locks

log = logging.getLogger(__name__)

FIRST: list[Plan] = [
    steps.CREATE_SUPPORT,
    *refused_imports.BEFORE,
    steps.IMPORT,
    steps.LISTED,
    steps.ASSIGN,
    steps.CREATE_SALES,
    steps.SWAP,
    steps.READ_BACK,
    LOOK,
    refused_imports.AGAIN,
    *edge_cases.CORNERS,
    steps.REMOVE,
    steps.DELETE_SALES,
]


class Busy(Exception):
    """Another run is under way."""


@contextmanager
def exclusive() -> Iterator[None]:
    """At most one run per database. The lock ends with its process, so what a killed run left open has no owner."""
    release = locks().first_free([_lock()])
    if release is None:
        raise Busy
    try:
        yield
    finally:
        release()


def _lock() -> str:
    """PostgreSQL's advisory locks are per database. Several SQLite files may be in one folder, so their lock names the
    file."""
    if connection.vendor == "postgresql":
        return "lifecycle"
    file = Path(connection.settings_dict["NAME"]).resolve()
    return f"lifecycle-{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"


def workspace_of(client: ElevenLabs) -> str:
    """The workspace id; empty if the key may not read it."""
    try:
        return (client.get_user().workspace_id or "")[:64]
    except ElevenLabsError:
        return ""


def run(x: Experiment, rounds: int) -> dict[str, Any]:
    """Run all rounds and return the report's data. Must be called inside `exclusive`."""
    report = x.runner.report

    def save_progress() -> None:
        report.data = _data(x)
        report.save(update_fields=["data"])

    save_progress()
    try:
        for number in range(1, rounds + 1):
            x.after_step = save_progress if number == 1 else _no_op  # later rounds are saved only when complete
            x.run(FIRST if number == 1 else steps.AGAIN, number)
            save_progress()
    except CannotGoOn as error:
        log.info("The run cannot go on: %s", error)
    except Stopped:
        x.broken_off = "it was stopped."
    except KeyboardInterrupt:
        x.broken_off = "it was stopped at once."
    except Exception as error:
        log.exception("The run ended with an error.")
        x.broken_off = f"it ended with an error of this program ({type(error).__name__})."
    left = end(x.runner, x.print_line)
    data = with_leftovers(_data(x), left)
    good = is_as_assumed(data)
    report.state = Report.State.BROKEN_OFF if x.broken_off else _STATES[good]
    report.ended_at, report.data = timezone.now(), data
    report.save()
    return data


def _no_op() -> None:
    """For later rounds, which are not saved after each step."""


_STATES = {True: Report.State.AS_ASSUMED, False: Report.State.OTHERWISE}


def _data(x: Experiment) -> dict[str, Any]:
    report = x.runner.report
    return as_json(
        x,
        base_url=report.base_url,
        workspace=report.workspace,
        by=report.actor_name,
        began=report.started_at,
        ended=timezone.now(),
    )
