"""Reverts an external change of a number or an agent: see `numbers/revert_plan.py`."""

from functools import partial
from typing import Any, TypeVar

from django.contrib.auth.models import User

from controlplane.audit.justification import NO_JUSTIFICATION, Justification
from controlplane.mirror import outside
from controlplane.mirror.models import OutsideChange
from controlplane.operations import change_sets
from controlplane.operations.journal import KeyReused
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.run import ActionRequest, actor_label, run
from numbers import revert_plan
from numbers.revert_plan import RevertPlan

Requested = TypeVar("Requested", Operation, ChangeSet)

REASON = "Reverts an external change."


def plan_revert(change: OutsideChange) -> RevertPlan:
    return revert_plan.plan_revert(change.entry)


def execute(
    change: OutsideChange, *, key: str, actor: User | None, justification: Justification = NO_JUSTIFICATION
) -> Operation:
    """Revert by a single operation, if one is enough. Raises NotRevertible, `outside.Decided` and what `run` raises."""
    if (first := Operation.objects.filter(key=key).first()) is not None:
        return _repeated(first, change)
    [action_request] = _action_requests(change, justification)
    on_begin = partial(_decide, change, actor, justification)
    op = run(action_request, key=key, actor=actor, on_begin=lambda op: on_begin(operation=op))
    outside.reconcile_reverts(change.pk)
    return op


def plan_change_set(
    change: OutsideChange, *, key: str, actor: User | None, justification: Justification = NO_JUSTIFICATION
) -> ChangeSet:
    """Revert by several operations, which a worker runs. Raises NotRevertible, `outside.Decided` and KeyReused."""
    if (first := ChangeSet.objects.filter(key=key).first()) is not None:
        return _repeated(first, change)
    on_begin = partial(_decide, change, actor, justification)
    return change_sets.plan(
        f"Revert external change of {change.name}",
        _action_requests(change, justification),
        asked={"revert": change.pk},
        key=key,
        actor=actor,
        justification=justification,
        on_begin=lambda change_set: on_begin(change_set=change_set),
    )


def _action_requests(change: OutsideChange, justification: Justification) -> list[ActionRequest]:
    return revert_plan.action_requests(plan_revert(change), justification.or_else(REASON))


def _decide(change: OutsideChange, actor: User | None, justification: Justification, **by: Any) -> None:
    outside.revert(change, actor=actor, name=actor_label(actor), justification=justification, **by)


def _repeated(first: Requested, change: OutsideChange) -> Requested:
    """The result of an earlier submission of the same form. Raises KeyReused if that was about another change."""
    if not first.reverts.filter(pk=change.pk).exists():
        raise KeyReused(first)
    return first
