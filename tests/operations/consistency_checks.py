"""Check that the sandbox's ledger, the operations and the mirror are consistent with each other."""

from typing import Any

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.operations.actions import action_class
from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from tests.sandbox_process import Sandbox

EFFECT = {
    "agent.create": "create_agent",
    "agent.duplicate": "duplicate_agent",
    "agent.update": "update_agent",
    "agent.archive": "update_agent",
    "agent.delete": "delete_agent",
    "number.import": "import_number",
    "number.assign": "update_number",
    "number.rename": "update_number",
    "number.remove": "delete_number",
    "number.assign.probe": "update_number",
    "number.rename.probe": "update_number",
    "number.import.probe": "import_number",
    "agent.delete.probe": "delete_agent",
}
NOTHING_HAPPENED = {State.REFUSED, State.NOT_SENT, State.NOT_APPLIED}


def effect_of(kind: str) -> str:
    """The kind of ledger entry. An action without an entry in EFFECT updates its own object."""
    return EFFECT.get(kind) or f"update_{action_class(kind).object_type}"


def violations(remote: Sandbox, *, since: int = 0, history_since: int = 0, late: bool = False) -> list[str]:
    """All inconsistencies. `since` is the last ledger id of the test's setup, `history_since` the last history entry of
    it. With `late`, an effect may follow a negative verdict if the operation records that."""
    entries = remote.ledger(since)
    others = [entry for entry in entries if entry["by"] != "api"]
    found = _of_operations(entries, late)
    if not others:
        found += _recorded_as_external_changes(history_since)
    return found + mirror_differs(remote)


def wrong_verdicts(remote: Sandbox, *, since: int = 0) -> list[str]:
    """Like `violations`, but without the mirror, which may not be synced yet."""
    return _of_operations(remote.ledger(since), late=False)


def _of_operations(entries: list[dict[str, Any]], late: bool) -> list[str]:
    ours = [entry for entry in entries if entry["by"] == "api"]
    others = [entry for entry in entries if entry["by"] != "api"]
    operations = list(Operation.objects.exclude(state=State.PLANNED).order_by("id"))
    effects, found = _effects(ours, operations)
    for op in operations:
        found += [f"operation {op.pk} {op.kind} {op.state}: {wrong}" for wrong in _wrong(op, effects, others, late)]
    return found


def _effects(ours: list[dict[str, Any]], operations: list[Operation]) -> tuple[dict[int, int], list[str]]:
    """The number of effects of each operation in the ledger, and the effects that no operation explains."""
    effects: dict[int, int] = {op.pk: 0 for op in operations}
    found = []
    for entry in ours:
        fitting = [op for op in operations if is_effect_of(entry, op)]
        sent_before = [op for op in fitting if op.sent_at is not None and op.sent_at.timestamp() <= entry["at"]]
        if not sent_before:
            found.append(f"{entry['kind']} {entry['object_id']}: no operation was marked sent before it")
            continue
        same_call = [op for op in sent_before if op.trace_id == entry["trace_id"]]
        free = [op for op in reversed(sent_before) if not effects[op.pk]]
        effects[(same_call or free or sent_before)[0].pk] += 1
    return effects, found


def is_effect_of(entry: dict[str, Any], op: Operation) -> bool:
    """Is this ledger entry the write that the operation requested?"""
    if entry["kind"] != effect_of(op.kind):
        return False
    after, before = entry["after"] or {}, entry["before"] or {}
    match op.kind:
        case "agent.create" | "agent.duplicate":
            return after["name"] == op.params["name"]
        case "number.import" | "number.import.probe":
            return after["phone_number"] == op.params["phone_number"]
    if entry["object_id"] != op.object_id:
        return False
    match op.kind:
        case "agent.update" | "agent.archive":
            return all(get(after, path) == value for path, value in op.params["set"].items())
        case "number.assign":
            return after["agent_id"] == op.params["agent_id"] != before["agent_id"]
        case "number.rename":
            return after["label"] == op.params["label"] != before["label"]
    return True


def _wrong(op: Operation, effects: dict[int, int], others: list[dict[str, Any]], late: bool) -> list[str]:
    had = effects[op.pk]
    found = []
    if op.is_open:
        return ["it is still open"]
    if had > 1:
        found.append(f"it had {had} effects")
    if op.state == State.DONE and op.sent_at and not had and not any(is_effect_of(entry, op) for entry in others):
        found.append("but nothing had that effect")
    if op.state in NOTHING_HAPPENED and had and not (late and op.late_at):
        found.append("but it had an effect")
    if op.state == State.OVERTAKEN and not others:
        found.append("but there was no other write")
    recorded = Entry.objects.filter(
        kind=f"operation.{op.state}", cause=Entry.Cause.OPERATION, cause_id=str(op.pk), actor_name=op.actor_name
    ).count()
    if recorded != 1:
        found.append(f"the history records its verdict {recorded} times")
    return found


def _recorded_as_external_changes(history_since: int) -> list[str]:
    entries = Entry.objects.filter(pk__gt=history_since, cause=Entry.Cause.SYNC)
    return [f"the history records our own write as an external change: {entry} {entry.after}" for entry in entries]


def mirror_differs(remote: Sandbox) -> list[str]:
    """The differences between the mirror and the remote."""
    found = []
    agents = {
        row["agent_id"]: remote.get(f"/v1/convai/agents/{row['agent_id']}")
        for archived in ("false", "true")
        for row in remote.get("/v1/convai/agents", archived=archived, page_size=100)["agents"]
    }
    for agent in Agent.objects.all():
        row = agents.pop(agent.remote_id, None)
        if (row is None) != (agent.gone_at is not None):
            found.append(
                f"agent {agent.remote_id}: at the remote {row is not None}, in the mirror gone at {agent.gone_at}"
            )
        elif row is not None and _settings(agent.remote_data) != _settings(row):
            found.append(f"agent {agent.remote_id} differs from the remote")
        elif row is not None and (agent.name, agent.archived) != (
            row["name"],
            row["platform_settings"]["archived"],
        ):
            found.append(f"agent {agent.remote_id} has a different name or archived flag in the mirror")
    found += [f"agent {agent_id} is not mirrored" for agent_id in agents]
    numbers = {row["phone_number_id"]: row for row in remote.get("/v1/convai/phone-numbers")}
    for number in PhoneNumber.objects.all():
        row = numbers.pop(number.remote_id, None)
        if (row is None) != (number.gone_at is not None):
            found.append(
                f"number {number.remote_id}: at the remote {row is not None}, in the mirror gone at {number.gone_at}"
            )
        elif row is not None:
            bound = (row["assigned_agent"] or {}).get("agent_id", "")
            mirrored = (number.phone_number, number.label, number.bound_to, number.agent and number.agent.remote_id)
            if mirrored != (row["phone_number"], row["label"], bound, bound or None) or number.remote_data != row:
                found.append(f"number {number.remote_id} is {mirrored} in the mirror, {row} at the remote")
    return found + [f"number {number_id} is not mirrored" for number_id in numbers]


def _settings(agent: dict[str, Any]) -> dict[str, Any]:
    """Everything but the list of its numbers, which changes without a change of the agent."""
    return {name: value for name, value in agent.items() if name != "phone_numbers"}
