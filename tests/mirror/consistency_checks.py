"""What a long story may not end with: operations, outside changes and the remote's ledger that do not fit together."""

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
            # Where the console wrote on the same object, what it undid or did itself cannot be told apart.
            if touched & by_others and wrong.endswith(("but it had an effect", "nobody did that")):
                continue
        found.append(wrong)
    return found + overtaken_by_nobody(ledger) + changed_by_nobody(ledger)


def overtaken_by_nobody(ledger: list[dict[str, Any]]) -> list[str]:
    """Operations that say that another write came between, or just before and not listed yet, where none did."""
    found = []
    for op in Operation.objects.filter(state=State.OVERTAKEN):
        about = {op.object_id, *(op.params.get(part) for part in ("source", "phone_number", "name", "agent_id"))}
        others = [
            entry
            for entry in ledger
            if entry["at"] >= op.created_at.timestamp() - 30 and entry["trace_id"] != op.trace_id
        ]
        if not any(about & named(entry) or entry["object_id"] in op.message for entry in others):
            found.append(f"operation {op.pk} {op.kind} overtaken, but nobody else wrote")
    return found


def changed_by_nobody(ledger: list[dict[str, Any]]) -> list[str]:
    """More outside changes than were made. Where it could not be told whether an agent is ours, that is said; an
    agent that is deleted in the console may take its numbers' bindings with it."""
    others = [entry for entry in ledger if entry["by"] != "api"]
    made = Counter(entry["object_id"] for entry in others)
    bots = sum(entry["kind"] == "delete_agent" for entry in others)
    doubted = " ".join(Operation.objects.filter(state=State.OVERTAKEN).values_list("message", flat=True))
    told = Counter(OutsideChange.objects.values_list("object_type", "object_id"))
    return [
        f"{object_id}: {times} outside changes are told, {made[object_id]} were made"
        for (object_type, object_id), times in told.items()
        if times > made[object_id] + bots * (object_type == "number") and object_id not in doubted
    ]


def named(entry: dict[str, Any]) -> set[Any]:
    """What a write of the ledger is about: the object's id, number and name."""
    shown = entry["after"] or entry["before"] or {}
    return {entry["object_id"], shown.get("phone_number"), shown.get("name")} - {None}
