"""After the storm: are the sandbox's ledger and calls, the operations, the history and the mirror consistent?

Only the control plane wrote, so every write has an operation, and so does every change of the mirror.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from controlplane.audit import chain, triggers
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from controlplane.operations.models import Operation, State
from tests.operations.consistency_checks import NOTHING_HAPPENED, is_effect_of, mirror_differs
from tests.sandbox_process import Sandbox

Json = dict[str, Any]
REMOVALS = {"delete_agent": "agent.gone", "delete_number": "number.gone"}


def violations(remote: Sandbox, calls: list[Json], *, since: int, history_since: int) -> list[str]:
    """All inconsistencies; empty if there are none. `calls` are the write calls that arrived, `since` and
    `history_since` the last ids of the ledger and of the history at the start of the storm."""
    ledger = remote.ledger(since)
    operations = list(Operation.objects.order_by("id"))
    effects = Effects(ledger, operations)
    entries = list(Entry.objects.filter(pk__gt=history_since).order_by("pk"))
    return [
        *calls_without_an_operation(calls, operations),
        *effects.unexplained,
        *wrong_verdicts(operations, effects, entries),
        *outside_changes(entries),
        *falsely_gone(entries, ledger),
        *left_open(),
        *history_is_broken(),
        *mirror_differs(EveryPage(remote)),
    ]


def calls_without_an_operation(calls: list[Json], operations: list[Operation]) -> Iterator[str]:
    """Each write call that arrived, applied or not, needs its own operation that was committed as sent before."""
    sent: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for op in operations:
        if op.sent_at is not None:
            sent[call_of(op)].append(op.sent_at)
    arrived: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        arrived[call["method"], call["path"]].append(call["at"])
    for call, moments in arrived.items():
        allowed = sorted(moment.timestamp() for moment in sent[call])
        for turn, at in enumerate(sorted(moments)):
            if turn >= len(allowed):
                yield f"{' '.join(call)}: call {turn + 1}, but only {len(allowed)} operations were sent"
            elif allowed[turn] > at:
                yield f"{' '.join(call)}: call {turn + 1} came before its operation was marked sent"


def call_of(op: Operation) -> tuple[str, str]:
    agents, numbers = "/v1/convai/agents", "/v1/convai/phone-numbers"
    match op.kind:
        case "agent.create":
            return "POST", f"{agents}/create"
        case "agent.duplicate":
            return "POST", f"{agents}/{op.params['source']}/duplicate"
        case "number.import":
            return "POST", numbers
    method = "DELETE" if op.kind in ("agent.delete", "number.remove") else "PATCH"
    return method, f"{agents if op.object_type == 'agent' else numbers}/{op.object_id}"


class Effects:
    """The writes in the ledger that each operation caused."""

    def __init__(self, ledger: list[Json], operations: list[Operation]) -> None:
        self.of: dict[int, list[Json]] = defaultdict(list)
        self.on: dict[str, list[Json]] = defaultdict(list)  # all writes on one object
        self.unexplained: list[str] = []
        by_trace = {op.trace_id: op for op in operations if op.trace_id}
        for entry in ledger:
            self.on[entry["object_id"]].append(entry)
            named = by_trace.get(entry["trace_id"])
            # If the response was lost: the newest operation that was sent by then and has no effect yet. For one
            # object, name or number, there is only one at a time.
            might = [named] if named else reversed(operations)
            sent = [op for op in might if op.sent_at and op.sent_at.timestamp() <= entry["at"]]
            fitting = [op for op in sent if is_effect_of(entry, op)]
            if not fitting:
                self.unexplained.append(f"{entry['kind']} {entry['object_id']}: no operation was marked sent before it")
                continue
            op = next((op for op in fitting if op.pk not in self.of), fitting[0])
            self.of[op.pk].append(entry)

    def was_changed_again(self, op: Operation) -> bool:
        """Whether another operation changed the result of this one before its verdict."""
        (made,) = self.of[op.pk]
        until = op.ended_at.timestamp() if op.ended_at else 0.0
        return any(made["id"] < entry["id"] and entry["at"] <= until for entry in self.on[made["object_id"]])


def wrong_verdicts(operations: list[Operation], effects: Effects, entries: list[Entry]) -> Iterator[str]:
    recorded: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        if entry.cause == Entry.Cause.OPERATION:
            recorded[entry.kind, entry.cause_id] += 1
    for op in operations:
        for wrong in _wrong(op, effects):
            yield f"operation {op.pk} {op.kind} {op.object_id} {op.state}: {wrong} ({op.message})"
        for state in {State.SENT, op.state} if op.sent_at else {op.state}:
            if not op.is_open and (times := recorded[f"operation.{state}", str(op.pk)]) != 1:
                yield f"operation {op.pk} {op.kind}: the history has {times} entries of {state}"


def _wrong(op: Operation, effects: Effects) -> Iterator[str]:
    had = len(effects.of.get(op.pk, []))
    if op.is_open:
        yield f"open since {op.created_at}"
    if had > 1:
        yield f"it had {had} effects"
    if had and op.sent_at is None:
        yield "it was never marked sent, and had an effect"
    if op.state == State.DONE and op.sent_at and not had:
        yield "no write did that"
    if op.state in NOTHING_HAPPENED and had:
        yield "but it had an effect"
    if op.state == State.OVERTAKEN and not (had == 1 and effects.was_changed_again(op)):
        yield "but no other write came between"
    if op.late_at is not None:
        yield "it is marked as having taken effect late, and nothing did"


def outside_changes(entries: list[Entry]) -> Iterator[str]:
    for change in OutsideChange.objects.select_related("entry"):
        yield f"kept as an outside change: {in_short(change.entry)}"
    for entry in entries:
        learnt = {*entry.before, *entry.after} == {"agent_name"}  # the storm renamed the assigned agent
        if entry.cause == Entry.Cause.SYNC and not learnt:
            yield f"recorded as an external change: {in_short(entry)}"


def in_short(entry: Entry) -> str:
    return f"{entry.pk} {entry.object_id} {entry.kind} by {entry.cause_id}: {entry.before} -> {entry.after}"[:600]


def falsely_gone(entries: list[Entry], ledger: list[Json]) -> Iterator[str]:
    """Including objects that have been restored since."""
    removed = {(REMOVALS[one["kind"]], one["object_id"]): one["at"] for one in ledger if one["kind"] in REMOVALS}
    for entry in entries:
        if entry.kind.endswith(".back"):
            yield f"{entry.object_id} was called gone, and is back"
        if entry.kind in REMOVALS.values():
            at = removed.get((entry.kind, entry.object_id))
            if at is None or at > entry.at.timestamp():
                yield f"{entry.object_id} was called gone, and was there"


def left_open() -> Iterator[str]:
    for run in SyncRun.objects.filter(state__in=[SyncRun.State.RUNNING, SyncRun.State.ASKED]):
        yield f"sync run {run.pk} is {run.state}"
    for run in SyncRun.objects.filter(state=SyncRun.State.HELD):
        yield f"sync run {run.pk} was held: {run.problem}"


def history_is_broken() -> Iterator[str]:
    chain.seal(everything=True)
    found = chain.verify()
    if found.broken or found.unsealed or found.sealed != Entry.objects.count():
        yield f"the history does not verify: {found}"
    if not triggers.is_installed():
        yield "the history is not guarded"


class EveryPage:
    """The sandbox, with all pages of a list in one call."""

    def __init__(self, remote: Sandbox) -> None:
        self._remote = remote

    def get(self, path: str, /, **params: Any) -> Any:
        page = self._remote.get(path, **params)
        if isinstance(page, dict):
            agents, last = page.get("agents"), page
            while agents is not None and last["has_more"]:
                last = self._remote.get(path, **params, cursor=last["next_cursor"])
                agents += last["agents"]
        return page
