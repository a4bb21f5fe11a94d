"""Change sets: several operations planned together and run in order by a worker.

All state is in the database: a worker that dies leaves steps planned, being checked or unconfirmed, and the next one
continues from there. This module sends nothing itself: each step is an ordinary operation.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from controlplane import lease
from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.unavailable import audit_required
from controlplane.elevenlabs import connect
from controlplane.operations import errors, execute
from controlplane.operations.actions import Action, fingerprint
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet, Operation, State

MAX_RUNTIME_S = 600.0  # well below the task's time limit, at which the worker would be killed
STEP_READ_S = 30.0  # for all attempts of one read of a step
# Longer than the longest step: two reads, and a write that waits for its turn and then takes until its deadline.
LEASE = timedelta(seconds=90)


@dataclass(frozen=True)
class Step:
    """An action of a change set. `justification`: if it differs from the change set's."""

    action: Action
    justification: Justification | None = None


@audit_required()
def plan(
    title: str,
    steps: Sequence[Step],
    context: ActionContext,
    *,
    request: Mapping[str, Any],
    by_system: bool = False,
) -> ChangeSet:
    """Store the change set with all its steps planned, or return the one that the context's key created before.

    `request` is what the form requested. It decides whether a repeated key means the same request; the steps cannot,
    because they would differ by then.
    `by_system`: the system is recorded as the actor of the steps, and the context's actor only as the one who
    requested them.
    Raises KeyReused and ReasonRequired.
    """
    require_justification(context.justification, context.actor)
    change_set = ChangeSet(
        key=context.key,
        title=title,
        fingerprint=fingerprint(request),
        actor=context.actor,
        actor_name=ledger.actor_label(context.actor),
        reason=context.justification.reason,
        ticket=context.justification.ticket,
    )
    try:
        with transaction.atomic(durable=True):
            change_set.save(force_insert=True)
            if context.on_begin is not None:
                context.on_begin(change_set)
            for position, step in enumerate(steps):
                step_context = replace(
                    context,
                    key=_key(change_set, position, 0),
                    actor=None if by_system else context.actor,
                    justification=step.justification or context.justification,
                )
                _add_step(execute.new_operation(step.action, step_context, State.PLANNED), change_set, position)
    except IntegrityError:
        first = planned(context.key, request)
        if first is None:
            raise
        return first
    return change_set


def planned(key: str, request: Mapping[str, Any]) -> ChangeSet | None:
    """The change set that this key created, if any. Raises KeyReused if it was for another request."""
    first = ChangeSet.objects.filter(key=key).first()
    if first is not None and first.fingerprint != fingerprint(request):
        raise errors.KeyReused(first) from None
    return first


def _key(change_set: ChangeSet, position: int, attempt: int) -> str:
    return f"set-{change_set.pk}-{position}-{attempt}"


def _add_step(op: Operation, change_set: ChangeSet, position: int) -> None:
    op.change_set, op.position = change_set, position
    op.save(force_insert=True)


def current_steps(change_set: ChangeSet) -> list[Operation]:
    """The newest attempt at each step, in order."""
    newest = {op.position: op for op in change_set.steps.order_by("position", "id")}
    return [newest[position] for position in sorted(newest)]


def run_due() -> int:
    """Continue every running change set that no worker holds. Returns how many that was."""
    due = ChangeSet.objects.filter(state=ChangeSet.State.RUNNING, claimed_until__lte=timezone.now()).order_by("id")
    worked = 0
    for change_set in due:
        worked += work(change_set)
    return worked


def work(change_set: ChangeSet) -> bool:
    """Run the remaining steps in order and stop at the first that fails. False if another worker holds it."""
    if not _claim(change_set):
        return False
    client = connect(patience=STEP_READ_S, urgent=True)  # staff requested it and are waiting
    deadline = time.monotonic() + MAX_RUNTIME_S
    for step in current_steps(change_set):
        if step.state == State.DONE:
            continue
        if step.state == State.PLANNED:
            try:
                execute.claim(step)
                execute.carry_out(step, client)
            except (errors.ResourceLocked, errors.Expired) as error:
                return _stop(change_set, f"Step {step.position + 1} waits: {error}")
        if step.is_open:
            _release(change_set)  # unconfirmed: a later run continues once the step is settled
            return True
        if step.state != State.DONE:
            return _stop(change_set, f"Step {step.position + 1}: {step.message}")
        if time.monotonic() > deadline:
            _release(change_set)
            return True
        if not _extend(change_set):
            return True
    _end(change_set, ChangeSet.State.DONE, "")
    return True


@audit_required()
def resume(change_set: ChangeSet, *, actor: User | None, justification: Justification = NO_JUSTIFICATION) -> None:
    """Plan the failed steps again and let a worker continue. Does nothing unless the change set is stopped.

    A step keeps its reason and ticket unless others are given. Raises ReasonRequired.
    """
    require_justification(justification, actor)
    with transaction.atomic(durable=True):
        resumed = ChangeSet.objects.filter(pk=change_set.pk, state=ChangeSet.State.STOPPED).update(
            state=ChangeSet.State.RUNNING, problem="", ended_at=None, claimed_until=timezone.now()
        )
        if not resumed:
            return
        for step in current_steps(change_set):
            if step.state in (State.DONE, State.PLANNED, State.INTENT, State.SENT):
                continue
            attempt = change_set.steps.filter(position=step.position).count()
            retry = Operation(
                key=_key(change_set, step.position, attempt),
                state=State.PLANNED,
                actor=actor,
                actor_name=ledger.actor_label(actor),
                reason=justification.reason or step.reason,
                ticket=justification.ticket or step.ticket,
                **{name: getattr(step, name) for name in _COPIED_FIELDS},
            )
            _add_step(retry, change_set, step.position)


_COPIED_FIELDS = (
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


def _claim(change_set: ChangeSet) -> bool:
    change_set.refresh_from_db()
    return change_set.claimed_until <= timezone.now() and _extend(change_set)


def _extend(change_set: ChangeSet) -> bool:
    running = ChangeSet.objects.filter(state=ChangeSet.State.RUNNING)
    return lease.take(running, change_set, "claimed_until", LEASE)


def _release(change_set: ChangeSet) -> None:
    lease.take(ChangeSet.objects.all(), change_set, "claimed_until", timedelta())


def _stop(change_set: ChangeSet, problem: str) -> bool:
    return _end(change_set, ChangeSet.State.STOPPED, problem)


def _end(change_set: ChangeSet, state: ChangeSet.State, problem: str) -> bool:
    ChangeSet.objects.filter(pk=change_set.pk, state=ChangeSet.State.RUNNING).update(
        state=state, problem=problem, ended_at=timezone.now()
    )
    return True
