"""The one judge: the sandbox's ledger of what was done, the operations, and the mirror have to tell one story."""

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
    """In the ledger's words. An action without a line above changes what it is about."""
    return EFFECT.get(kind) or f"update_{action_class(kind).object_type}"


def violations(remote: Sandbox, *, since: int = 0, history_since: int = 0, late: bool = False) -> list[str]:
    """What is wrong; nothing if all is well. `since`: the ledger's last id when the scene was set, `history_since`
    that of our history. `late`: an effect may come after its negative verdict, if the operation says so."""
    entries = remote.ledger(since)
    others = [entry for entry in entries if entry["by"] != "api"]
    found = _of_operations(entries, late)
    if not others:
        found += _told_as_outside_changes(history_since)
    return found + mirror_differs(remote)


def wrong_verdicts(remote: Sandbox, *, since: int = 0) -> list[str]:
    """As `violations`, of the operations alone: the mirror may still have to be synced."""
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
    """How many effects each operation had, by the ledger; and the effects that nothing here explains."""
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
    """Is this write of the ledger what the operation asked for?"""
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
        found.append("nobody did that")
    if op.state in NOTHING_HAPPENED and had and not (late and op.late_at):
        found.append("but it had an effect")
    if op.state == State.OVERTAKEN and not others:
        found.append("but nobody else wrote")
    told = Entry.objects.filter(
        kind=f"operation.{op.state}", cause=Entry.Cause.OPERATION, cause_id=str(op.pk), actor_name=op.actor_name
    ).count()
    if told != 1:
        found.append(f"the history tells its verdict {told} times")
    return found


def _told_as_outside_changes(history_since: int) -> list[str]:
    entries = Entry.objects.filter(pk__gt=history_since, cause=Entry.Cause.SYNC)
    return [f"the history tells our own write as an outside change: {entry} {entry.after}" for entry in entries]


def mirror_differs(remote: Sandbox) -> list[str]:
    """Where the rows here are not what the remote shows."""
    found = []
    agents = {
        row["agent_id"]: remote.get(f"/v1/convai/agents/{row['agent_id']}")
        for archived in ("false", "true")
        for row in remote.get("/v1/convai/agents", archived=archived, page_size=100)["agents"]
    }
    for agent in Agent.objects.all():
        there = agents.pop(agent.remote_id, None)
        if (there is None) != (agent.gone_at is not None):
            found.append(f"agent {agent.remote_id}: there {there is not None}, here gone at {agent.gone_at}")
        elif there is not None and _settings(agent.remote_data) != _settings(there):
            found.append(f"agent {agent.remote_id} is not as it is there")
        elif there is not None and (agent.name, agent.archived) != (
            there["name"],
            there["platform_settings"]["archived"],
        ):
            found.append(f"agent {agent.remote_id} has another name or is archived in one place only")
    found += [f"agent {agent_id} is not mirrored" for agent_id in agents]
    numbers = {row["phone_number_id"]: row for row in remote.get("/v1/convai/phone-numbers")}
    for number in PhoneNumber.objects.all():
        there = numbers.pop(number.remote_id, None)
        if (there is None) != (number.gone_at is not None):
            found.append(f"number {number.remote_id}: there {there is not None}, here gone at {number.gone_at}")
        elif there is not None:
            bound = (there["assigned_agent"] or {}).get("agent_id", "")
            here = (number.phone_number, number.label, number.bound_to, number.agent and number.agent.remote_id)
            if here != (there["phone_number"], there["label"], bound, bound or None) or number.remote_data != there:
                found.append(f"number {number.remote_id} is {here} here, {there} there")
    return found + [f"number {number_id} is not mirrored" for number_id in numbers]


def _settings(agent: dict[str, Any]) -> dict[str, Any]:
    """Without the list of its numbers, which moves without the agent being changed."""
    return {name: value for name, value in agent.items() if name != "phone_numbers"}
