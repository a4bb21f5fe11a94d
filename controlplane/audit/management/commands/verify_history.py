"""`manage.py verify_history`: verifies the hash chain. Exit status: 0 intact, 3 an entry was changed or removed, 4 not
protected."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.audit import chain, triggers, verification

BROKEN, UNGUARDED = 3, 4


class Command(BaseCommand):
    help = "Recompute the chain over the history and name the first entry that was changed or removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print what was found as JSON")
        parser.add_argument("--contains", metavar="DIGEST", help="is this digest, noted earlier, in the chain?")

    def handle(self, *args: Any, json: bool, contains: str | None, **options: Any) -> None:
        chain.seal(everything=True)
        found = chain.verify()
        guarded = triggers.is_installed()
        self.stdout.write(_as_json(found, guarded) if json else _summary(found))
        if found.broken:
            raise CommandError(f"The history was tampered with. {found.broken}", returncode=BROKEN)
        if contains and not chain.contains(contains):
            raise CommandError("This digest is not in the chain: what was sealed then is not here.", returncode=BROKEN)
        if not guarded:
            raise CommandError(verification.NOT_PROTECTED, returncode=UNGUARDED)


def _as_json(found: chain.Finding, guarded: bool) -> str:
    return json.dumps(asdict(found) | {"guarded": guarded})


def _summary(found: chain.Finding) -> str:
    if found.broken:
        return f"{found.sealed} entries verified. {found.broken}"
    head = f" The chain ends with {found.head}." if found.head else ""
    return f"All {found.sealed} sealed entries verified, {found.unsealed} are not sealed yet.{head}"
