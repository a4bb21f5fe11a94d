"""`manage.py sandbox`: runs the ElevenLabs sandbox."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from controlplane.sandbox.options import add_arguments
from controlplane.sandbox.serve import serve


class Command(BaseCommand):
    help = "Runs a local ElevenLabs, for development, tests and demos. See docs/sandbox.md."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser, port=settings.SANDBOX_PORT, state=Path(settings.VAR_DIR) / "sandbox.sqlite3")

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(serve(options))
