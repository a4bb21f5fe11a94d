"""`manage.py live_check`: read-only checks. Exit status: 0 all passed, 1 some failed."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from controlplane.elevenlabs import connect
from controlplane.elevenlabs.scrub import scrub
from controlplane.lifecycle.live import Check, run_checks
from controlplane.operations.execute import CLICK_PATIENCE_S


class Command(BaseCommand):
    help = (
        "Look whether ElevenLabs answers as the control plane needs it: key, scopes, workspace, page shapes, schemas, "
        "clock, latency. Reads only, takes seconds, safe in production. Exit status: 0 nothing failed (warnings may "
        "be there), 1 something failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the checks as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        checks = _run_checks()
        if options["json"]:
            # `says` is the former name of `message`, kept for one more release.
            rows = [asdict(check) | {"says": check.message} for check in checks]
            scrubbed = [{name: scrub(value) for name, value in row.items()} for row in rows]
            self.stdout.write(json.dumps(scrubbed, indent=2, ensure_ascii=False))
        else:
            for check in checks:
                self.stdout.write(scrub(f"{check.level:<4}  {check.name}: {check.message}"))
                if check.mend:
                    self.stdout.write(f"      {check.mend}")
        if any(check.level == "fail" for check in checks):
            sys.exit(1)


def _run_checks() -> list[Check]:
    try:
        client = connect(patience=CLICK_PATIENCE_S, urgent=True)
    except ValueError as error:
        mend = "Look at ELEVENLABS_BASE_URL and ELEVENLABS_API_KEY: a key belongs to one URL."
        return [Check("address", "fail", str(error), mend)]
    return run_checks(client)[0]
