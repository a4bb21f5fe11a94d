"""Reverts an external change of a number or an agent: see `numbers/revert_plan.py`."""

from dataclasses import replace
from typing import TypeVar

from controlplane.audit.ledger import actor_label
from controlplane.mirror.models import OutsideChange
from controlplane.operations import change_sets, external_changes
from controlplane.operations import execute as execution
from controlplane.operations.change_sets import Step
from controlplane.operations.errors import KeyReused
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet, Operation
from numbers import revert_plan
from numbers.revert_plan import RevertPlan

Requested = TypeVar("Requested", Operation, ChangeSet)


def plan_revert(change: OutsideChange) -> RevertPlan:
    return revert_plan.plan_revert(change.entry)


def execute(change: OutsideChange, context: ActionContext) -> Operation:
    """Revert by a single operation, if one is enough.

    Raises NotRevertible, `external_changes.Decided` and what `execute` of an action raises.
    """
    if (first := Operation.objects.filter(key=context.key).first()) is not None:
        return _repeated(first, change)
    [action] = plan_revert(change).actions_or_refuse()
    op = execution.execute(action, _context(change, context))
    external_changes.reconcile_reverts(change.pk)
    return op


def plan_change_set(change: OutsideChange, context: ActionContext) -> ChangeSet:
    """Revert by several operations, which a worker runs.

    Raises NotRevertible, `external_changes.Decided` and KeyReused.
    """
    if (first := ChangeSet.objects.filter(key=context.key).first()) is not None:
        return _repeated(first, change)
    steps = [Step(action) for action in plan_revert(change).actions_or_refuse()]
    title = f"Revert external change of {change.name}"
    return change_sets.plan(title, steps, _context(change, context), request={"revert": change.pk})


def _context(change: OutsideChange, context: ActionContext) -> ActionContext:
    """The change is marked as reverted in the transaction that stores the operation or the change set."""

    def decide(requested: Operation | ChangeSet) -> None:
        by = {"operation": requested} if isinstance(requested, Operation) else {"change_set": requested}
        name = actor_label(context.actor)
        external_changes.revert(change, actor=context.actor, name=name, justification=context.justification, **by)

    justification = context.justification.or_else("Reverts an external change.")
    return replace(context, justification=justification, on_begin=decide)


def _repeated(first: Requested, change: OutsideChange) -> Requested:
    """The result of an earlier submission of the same form. Raises KeyReused if that was about another change."""
    if not first.reverts.filter(pk=change.pk).exists():
        raise KeyReused(first)
    return first
