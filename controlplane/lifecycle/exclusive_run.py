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
    """One run for each database. The lock dies with its process, so what a killed one left open is nobody's."""
    release = locks().first_free([_lock()])
    if release is None:
        raise Busy
    try:
        yield
    finally:
        release()


def _lock() -> str:
    """PostgreSQL's locks are those of one database. Several SQLite files may stand in one folder."""
    if connection.vendor == "postgresql":
        return "lifecycle"
    file = Path(connection.settings_dict["NAME"]).resolve()
    return f"lifecycle-{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"


def workspace_of(client: ElevenLabs) -> str:
    """Empty where the key may not tell."""
    try:
        return (client.get_user().workspace_id or "")[:64]
    except ElevenLabsError:
        return ""


def run(x: Experiment, rounds: int) -> dict[str, Any]:
    """The report's data. Inside `alone`."""
    report = x.runner.report

    def keep() -> None:
        report.data = _data(x)
        report.save(update_fields=["data"])

    keep()
    try:
        for number in range(1, rounds + 1):
            x.after_step = keep if number == 1 else _nothing  # later ones are kept as a whole
            x.run(FIRST if number == 1 else steps.AGAIN, number)
            keep()
    except CannotGoOn as trouble:
        log.info("The run cannot go on: %s", trouble)
    except Stopped:
        x.broken_off = "it was stopped."
    except KeyboardInterrupt:
        x.broken_off = "it was stopped at once."
    except Exception as trouble:
        log.exception("The run ended with an error.")
        x.broken_off = f"it ended with an error of this program ({type(trouble).__name__})."
    left = end(x.runner, x.print_line)
    data = with_leftovers(_data(x), left)
    good = is_as_assumed(data)
    report.state = Report.State.BROKEN_OFF if x.broken_off else _STATES[good]
    report.ended_at, report.data = timezone.now(), data
    report.save()
    return data


def _nothing() -> None:
    """After a step of a later round."""


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
