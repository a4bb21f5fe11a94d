"""`manage.py find_unrequested_changes`: lists writes after which more differed at ElevenLabs than had been
requested."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from agents.actions import ArchiveAgent, UpdateAgent
from agents.unrequested_changes import unrequested
from agents.workflow import is_in_workflow
from controlplane.audit.models import Entry
from controlplane.operations.models import Operation
from numbers.actions import AssignNumber, SetLabel

FOUND = 3
BATCH_ROWS = 500
MAX_CHARS = 100  # characters per value in the text output
# Settings that change along with a requested one.
OF_A_NUMBER = {
    AssignNumber.name: ["agent_id", "agent_name", "branch_id", "environment"],
    SetLabel.name: ["label"],
}


@dataclass
class Finding:
    """One write. `removed`, `changed` and `added` are {path: [before, after]} of the changes that were not
    requested."""

    entry: int
    operation: int
    at: datetime
    by: str
    object: str
    title: str
    removed: dict[str, list[Any]] = field(default_factory=dict)
    changed: dict[str, list[Any]] = field(default_factory=dict)
    added: dict[str, list[Any]] = field(default_factory=dict)


class Command(BaseCommand):
    help = (
        "Lists, from the history, writes after which more differed at ElevenLabs than had been requested. Some of it "
        "is the service's own doing, such as a default that follows another setting; what was removed from a workflow "
        "was lost. Exit status: 0 nothing found, 3 something found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workflow", action="store_true", help="only what was removed from or changed in workflows"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line, with the values whole")

    def handle(self, *args: Any, workflow: bool, json: bool, **options: Any) -> None:
        count = 0
        for finding in findings(only_workflows=workflow):
            count += 1
            self.stdout.write(_as_json(finding) if json else _as_text(finding))
        if not json:
            self.stdout.write(_summary(count))
        if count:
            sys.exit(FOUND)


def findings(*, only_workflows: bool = False) -> Iterator[Finding]:
    """Oldest first."""
    for entry, operation in _changes():
        paths = unrequested({**entry.before, **entry.after}, _requested(operation))
        if only_workflows:
            paths = [path for path in paths if is_in_workflow(path) and path in entry.before]
        if not paths:
            continue
        found = Finding(entry.pk, operation.pk, entry.at, entry.actor_name, entry.object_name, operation.title)
        for path in paths:
            before, after = entry.before.get(path), entry.after.get(path)
            kind = found.added if before is None else found.removed if after is None else found.changed
            kind[path] = [before, after]
        yield found


def _changes() -> Iterator[tuple[Entry, Operation]]:
    """History entries of changes that operations made to existing objects."""
    kinds = ["agent.changed", "number.changed"]
    entries = Entry.objects.filter(cause=Entry.Cause.OPERATION, kind__in=kinds).order_by("pk")
    batch: list[Entry] = []
    for entry in entries.iterator(BATCH_ROWS):
        batch.append(entry)
        if len(batch) == BATCH_ROWS:
            yield from _with_operations(batch)
            batch = []
    yield from _with_operations(batch)


def _with_operations(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Operation]]:
    known = [entry for entry in entries if entry.cause_id.isdecimal()]
    kinds = [UpdateAgent.name, ArchiveAgent.name, *OF_A_NUMBER]
    operations = Operation.objects.filter(kind__in=kinds).in_bulk([int(entry.cause_id) for entry in known])
    for entry in known:
        if operation := operations.get(int(entry.cause_id)):
            yield entry, operation


def _requested(operation: Operation) -> Iterable[str]:
    return OF_A_NUMBER.get(operation.kind) or operation.params["set"]


def _as_text(found: Finding) -> str:
    head = f"{timezone.localtime(found.at):%Y-%m-%d %H:%M:%S %Z}  {found.by}: {found.title}"
    lines = [f"{head}  (history entry {found.entry}, operation {found.operation})"]
    for verb in ("removed", "changed", "added"):
        for path, (before, after) in getattr(found, verb).items():
            values = {"removed": _short(before), "added": _short(after)}.get(
                verb, f"{_short(before)} -> {_short(after)}"
            )
            lines.append(f"    {verb} {path}: {values}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… ({len(text):,} characters)"


def _summary(count: int) -> str:
    if not count:
        return "No write of this history changed more than was requested."
    writes = "1 write" if count == 1 else f"{count:,} writes"
    return f"{writes} changed more than was requested. Undo on the page of the history entry takes a change back whole."


def _as_json(found: Finding) -> str:
    return json.dumps(asdict(found), cls=DjangoJSONEncoder, ensure_ascii=False)
