"""`manage.py prune_history`: removes history older than HISTORY_KEPT_DAYS. It asks for confirmation, records itself in
the history, and can be interrupted and resumed."""

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from controlplane.audit.prune import NothingToPrune, PrunedElsewhere, prune


class Command(BaseCommand):
    help = "Remove history entries older than HISTORY_KEPT_DAYS; the removal itself stays in the history."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        if settings.HISTORY_KEPT is None:
            raise CommandError("HISTORY_KEPT_DAYS is 0: history is kept for ever.")
        before = timezone.now() - settings.HISTORY_KEPT
        if not yes and input(f"Remove all history before {before:%d %b %Y %H:%M} UTC? Type yes: ") != "yes":
            raise CommandError("Nothing was removed.")
        try:
            summary = prune(before, actor_name=f"{getpass.getuser()} (prune_history)", tell=self._report_progress)
        except NothingToPrune:
            self.stdout.write("Nothing is that old.")
            return
        except PrunedElsewhere:
            raise CommandError(
                "Another prune_history runs at the same time. Nothing was removed by this one."
            ) from None
        self.stdout.write(f"Removed {summary['entries']} entries, from {summary['from']} to {summary['until']}.")

    def _report_progress(self, deleted: int) -> None:
        self.stdout.write(f"{deleted} entries removed so far.")
