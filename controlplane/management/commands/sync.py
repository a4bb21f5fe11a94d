"""`manage.py sync`: runs one sync. Exit status: 0 complete, 3 partial, 4 held, 5 another sync did not end."""

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict

from controlplane.mirror.models import Hold, SyncRun
from numbers.sync import sync_all

EXIT_STATUS = {SyncRun.State.COMPLETE: 0, SyncRun.State.PARTIAL: 3, SyncRun.State.HELD: 4}
EXIT_BUSY = 5
POLL_INTERVAL_S = 0.5  # seconds


class Command(BaseCommand):
    help = (
        "Sync now, with progress. Exit status: 0 complete, 3 partial (what was seen is stored, nothing is marked as "
        "gone), 4 held (an unlikely result needs review), 5 another run was under way and did not end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="read every agent's details again, changed or not")
        parser.add_argument("--json", action="store_true", help="print the run as JSON, and progress not at all")
        parser.add_argument("--wait", type=float, default=300, metavar="S", help="for another run to end; default 300")

    def handle(self, *args: Any, full: bool, json: bool, wait: float, **options: Any) -> None:
        self.progress = not json
        self.reported = ""
        run = self._run(full, time.monotonic() + wait)
        if json:
            self.stdout.write(_as_json(run))
        else:
            self._report(run)
        if status := EXIT_STATUS[SyncRun.State(run.state)]:
            sys.exit(status)

    def _run(self, full: bool, until: float) -> SyncRun:
        while True:
            run = sync_all(full=full, watch=self._show_progress)
            if run is not None:
                return run
            self._line("Another run is under way; waiting for it to end.")
            if time.monotonic() > until:
                raise CommandError("Another run is under way and did not end; nothing was done.", returncode=EXIT_BUSY)
            time.sleep(POLL_INTERVAL_S)

    def _show_progress(self, run: SyncRun) -> None:
        if run.state == SyncRun.State.RUNNING:
            self._line(f"{run.phase}: {run.done} of about {run.due}" if run.due else run.phase)

    def _line(self, text: str) -> None:
        """Overwrites the line on a terminal; prints one line each elsewhere."""
        if not self.progress or text == self.reported or not text:
            return
        self.reported = text
        if sys.stdout.isatty():
            self.stdout.write(f"\r\033[K{text}", ending="")
        else:
            self.stdout.write(text)

    def _report(self, run: SyncRun) -> None:
        took = (run.ended_at - run.started_at).total_seconds() if run.ended_at else 0.0
        if sys.stdout.isatty():
            self.stdout.write("\r\033[K", ending="")
        self.stdout.write(
            f"{run.get_state_display().capitalize()} in {took:.1f} s, {run.calls} calls. {run.seen} listed: "
            f"{run.added} added, {run.changed} changed, {run.gone} gone, {run.quarantined} left out."
        )
        if run.problem:
            self.stdout.write(run.problem)
        for one in run.left_out:
            self.stdout.write(f"Left out: one of the {one['what']}, {one['id'] or 'without an id'}: {one['why']}")
        for hold in Hold.objects.filter(state=Hold.State.OPEN):
            self.stdout.write(f"Waits for an answer on the page Sync > Holds: {hold}.")


def _as_json(run: SyncRun) -> str:
    fields = model_to_dict(run, exclude=["claimed_until", "phase", "done", "due"]) | {"id": run.pk}
    return json.dumps(fields, cls=DjangoJSONEncoder, indent=2)
