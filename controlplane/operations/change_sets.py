"""Change sets: several operations planned together and run in order by a worker.

All truth is in the rows: a worker that dies leaves steps planned, being checked or unconfirmed, and the next
one goes on from there. Nothing here sends: each step is an ordinary operation.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.unavailable import audit_required
from controlplane.elevenlabs import connect
from controlplane.operations import journal
from controlplane.operations.actions import fingerprint
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.run import ActionRequest, actor_label, carry_out

MAX_RUNTIME_S = 600.0  # seconds: well under the time limit of a task, at which the worker would be killed
STEP_READ_S = 30.0  # seconds for all tries of one read of a step
LEASE = timedelta(seconds=90)  # longer than the longest step: two reads, and one write at its deadline after its wait


@audit_required()
def plan(
    title: str,
    action_requests: Sequence[ActionRequest],
    *,
    asked: Mapping[str, Any],
    key: str,
    actor: User | None,
    on_begin: Callable[[ChangeSet], None] | None = None,
    by_system: bool = False,
    justification: Justification = NO_JUSTIFICATION,
) -> ChangeSet:
    """Store the change set and its steps, all planned; or return the one this key made. Raises `KeyReused`
    and `NotSaid`.

    `asked` is what the form asked for: the same form sent again means the same, though by then its steps would differ.
    `beside` writes what has to be committed with it, and forbids it by raising.
    `by_system`: the steps are the system's own deed, and `actor` only asked for it.
    """
    require_justification(justification, actor)
    change_set = ChangeSet(
        key=key,
        title=title,
        fingerprint=fingerprint(asked),
        actor=actor,
        actor_name=actor_label(actor),
        reason=justification.reason,
        ticket=justification.ticket,
    )
    try:
        with transaction.atomic(durable=True):
            change_set.save(force_insert=True)
            if on_begin is not None:
                on_begin(change_set)
            for position, action_request in enumerate(action_requests):
                _step(
                    action_request.operation(
                        key=_key(change_set, position, 0), actor=None if by_system else actor, state=State.PLANNED
                    ),
                    change_set,
                    position,
                )
    except IntegrityError:
        first = planned(key, asked)
        if first is None:
            raise
        return first
    return change_set


def planned(key: str, asked: Mapping[str, Any]) -> ChangeSet | None:
    """The change set that this key made, if it made one. Raises `KeyReused` if that was for something else."""
    first = ChangeSet.objects.filter(key=key).first()
    if first is not None and first.fingerprint != fingerprint(asked):
        raise journal.KeyReused(first) from None
    return first


def _key(change_set: ChangeSet, position: int, attempt: int) -> str:
    return f"set-{change_set.pk}-{position}-{attempt}"


def _step(op: Operation, change_set: ChangeSet, position: int) -> None:
    op.change_set, op.position = change_set, position
    op.save(force_insert=True)


def current_steps(change_set: ChangeSet) -> list[Operation]:
    """The newest attempt at each step, in order."""
    newest = {op.position: op for op in change_set.steps.order_by("position", "id")}
    return [newest[position] for position in sorted(newest)]


def run_due() -> int:
    """Go on with every running change set that no worker holds; how many were worked on."""
    due = ChangeSet.objects.filter(state=ChangeSet.State.RUNNING, claimed_until__lte=timezone.now()).order_by("id")
    worked = 0
    for change_set in due:
        worked += work(change_set)
    return worked


def work(change_set: ChangeSet) -> bool:
    """Run the steps that are left, in order; stop at the first that is not done. False if another worker holds it."""
    if not _claim(change_set):
        return False
    client = connect(patience=STEP_READ_S, urgent=True)  # staff asked for it, and look on
    enough = time.monotonic() + MAX_RUNTIME_S
    for step in current_steps(change_set):
        if step.state == State.DONE:
            continue
        if step.state == State.PLANNED:
            try:
                journal.claim(step)
                carry_out(step, client=client, secrets={})
            except (journal.ResourceLocked, journal.Expired) as held:
                return _stop(change_set, f"Step {step.position + 1} waits: {held}")
        if step.is_open:
            return _release(change_set)  # unconfirmed: it is settled first, then the next round goes on
        if step.state != State.DONE:
            return _stop(change_set, f"Step {step.position + 1}: {step.message}")
        if time.monotonic() > enough:
            return _release(change_set)
        if not _claim(change_set, extend=True):
            return True
    _end(change_set, ChangeSet.State.DONE, "")
    return True


@audit_required()
def resume(change_set: ChangeSet, *, actor: User | None, justification: Justification = NO_JUSTIFICATION) -> None:
    """Plan the steps that did not get done anew, and let a worker go on. Does nothing unless it is stopped. Where no
    other reason is given, that of the step goes on. Raises `NotSaid`."""
    require_justification(justification, actor)
    with transaction.atomic(durable=True):
        moved = ChangeSet.objects.filter(pk=change_set.pk, state=ChangeSet.State.STOPPED).update(
            state=ChangeSet.State.RUNNING, problem="", ended_at=None, claimed_until=timezone.now()
        )
        if not moved:
            return
        for step in current_steps(change_set):
            if step.state in (State.DONE, State.PLANNED, State.INTENT, State.SENT):
                continue
            attempt = change_set.steps.filter(position=step.position).count()
            again = Operation(
                key=_key(change_set, step.position, attempt),
                state=State.PLANNED,
                actor=actor,
                actor_name=actor_label(actor),
                reason=justification.reason or step.reason,
                ticket=justification.ticket or step.ticket,
                **{name: getattr(step, name) for name in _COPIED},
            )
            _step(again, change_set, step.position)


_COPIED = (
    "kind",
    "resource",
    "fingerprint",
    "object_type",
    "object_id",
    "display_names",
    "title",
    "params",
    "undoes_id",
)


def _claim(change_set: ChangeSet, *, extend: bool = False) -> bool:
    now = timezone.now()
    mine = ChangeSet.objects.filter(pk=change_set.pk, state=ChangeSet.State.RUNNING)
    mine = mine.filter(claimed_until=change_set.claimed_until) if extend else mine.filter(claimed_until__lte=now)
    until = now + LEASE
    if not mine.update(claimed_until=until):
        return False
    change_set.claimed_until = until
    return True


def _release(change_set: ChangeSet) -> bool:
    ChangeSet.objects.filter(pk=change_set.pk).update(claimed_until=timezone.now())
    return True


def _stop(change_set: ChangeSet, problem: str) -> bool:
    return _end(change_set, ChangeSet.State.STOPPED, problem)


def _end(change_set: ChangeSet, state: ChangeSet.State, problem: str) -> bool:
    ChangeSet.objects.filter(pk=change_set.pk, state=ChangeSet.State.RUNNING).update(
        state=state, problem=problem, ended_at=timezone.now()
    )
    return True
