"""Check that operations, external changes and the remote's ledger are consistent after a long sequence of events."""

from collections import Counter
from typing import Any

from controlplane.mirror.models import OutsideChange
from controlplane.operations.models import Operation, State
from tests.operations.consistency_checks import is_effect_of, violations
from tests.sandbox_process import Sandbox


def inconsistencies(remote: Sandbox) -> list[str]:
    ledger = remote.ledger()
    by_others = {entry["object_id"] for entry in ledger if entry["by"] != "api"}
    found = []
    for wrong in violations(remote):
        if wrong.startswith("operation "):
            op = Operation.objects.get(pk=wrong.split()[1])
            touched = {entry["object_id"] for entry in ledger if is_effect_of(entry, op)} | {op.object_id}
            # If the console wrote to the same object, its effects cannot be distinguished from ours.
            if touched & by_others and wrong.endswith(("but it had an effect", "but nothing had that effect")):
                continue
        found.append(wrong)
    return found + overtaken_without_a_write(ledger) + changed_without_a_write(ledger)


def overtaken_without_a_write(ledger: list[dict[str, Any]]) -> list[str]:
    """Operations recorded as overtaken although there was no other write to the object."""
    found = []
    for op in Operation.objects.filter(state=State.OVERTAKEN):
        about = {op.object_id, *(op.params.get(part) for part in ("source", "phone_number", "name", "agent_id"))}
        others = [
            entry
            for entry in ledger
            if entry["at"] >= op.created_at.timestamp() - 30 and entry["trace_id"] != op.trace_id
        ]
        if not any(about & named(entry) or entry["object_id"] in op.message for entry in others):
            found.append(f"operation {op.pk} {op.kind} overtaken, but there was no other write")
    return found


def changed_without_a_write(ledger: list[dict[str, Any]]) -> list[str]:
    """Objects with more external changes than were made. Deleting an agent in the console may also change its numbers,
    and an operation that could not identify its agent names the candidates in its message."""
    others = [entry for entry in ledger if entry["by"] != "api"]
    made = Counter(entry["object_id"] for entry in others)
    bots = sum(entry["kind"] == "delete_agent" for entry in others)
    ambiguous = " ".join(Operation.objects.filter(state=State.OVERTAKEN).values_list("message", flat=True))
    recorded = Counter(OutsideChange.objects.values_list("object_type", "object_id"))
    return [
        f"{object_id}: {times} external changes are recorded, {made[object_id]} were made"
        for (object_type, object_id), times in recorded.items()
        if times > made[object_id] + bots * (object_type == "number") and object_id not in ambiguous
    ]


def named(entry: dict[str, Any]) -> set[Any]:
    """The id, phone number and name of the object of a ledger entry."""
    shown = entry["after"] or entry["before"] or {}
    return {entry["object_id"], shown.get("phone_number"), shown.get("name")} - {None}
