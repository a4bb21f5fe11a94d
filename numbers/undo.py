"""Undoes an operation by a new operation, if the object is still as the first one left it."""

from dataclasses import replace

from django.db.models import Q

from controlplane.audit.models import Entry
from controlplane.operations import change_sets
from controlplane.operations import execute as execution
from controlplane.operations.change_sets import Step
from controlplane.operations.errors import KeyReused
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet, Operation, State
from numbers import revert_plan
from numbers.revert_plan import RevertPlan


def is_own_change(entry: Entry) -> bool:
    """Whether an operation of this app made the change. Only such changes can be undone here."""
    return entry.is_change and entry.cause == Entry.Cause.OPERATION and entry.object_type in ("number", "agent")


def plan_revert(entry: Entry) -> RevertPlan:
    if (by := undone_by(entry)) is not None:
        return RevertPlan(why_not=f"It was undone already: {by.title}.")
    if _is_under_way(entry):
        return RevertPlan(why_not="The change set that it is a step of still runs. Wait until that has ended.")
    return revert_plan.plan_revert(entry)


def undone_by(entry: Entry) -> Operation | None:
    """The operation that undid it, if any."""
    took_effect = Q(state=State.DONE) | Q(late_at__isnull=False)
    whole = Q(change_set=None) | Q(change_set__state=ChangeSet.State.DONE)
    return Operation.objects.filter(took_effect, whole, undoes=entry).order_by("id").first()


def execute(entry: Entry, context: ActionContext) -> Operation:
    """Undo by a single operation, if one is enough. Raises NotRevertible and what `execute` of an action raises."""
    if (first := Operation.objects.filter(key=context.key).first()) is not None:
        if first.undoes_id != entry.pk:
            raise KeyReused(first)
        return first
    [action] = plan_revert(entry).actions_or_refuse()
    return execution.execute(action, _context(entry, context))


def plan_change_set(entry: Entry, context: ActionContext) -> ChangeSet:
    """Undo by several operations, which a worker runs. Raises NotRevertible and KeyReused."""
    request = {"undo": entry.pk}
    if (first := change_sets.planned(context.key, request)) is not None:
        return first
    context = _context(entry, context)
    steps = [Step(action) for action in plan_revert(entry).actions_or_refuse()]
    title = f"Undo what was changed on {entry.object_name}"
    return change_sets.plan(title, steps, context, request=request)


def _context(entry: Entry, context: ActionContext) -> ActionContext:
    justification = context.justification.or_else(f"Undoes history entry {entry.pk}.")
    return replace(context, justification=justification, undoes=entry.pk)


def _is_under_way(entry: Entry) -> bool:
    running = Operation.objects.filter(change_set__state=ChangeSet.State.RUNNING)
    return entry.cause_id.isdecimal() and running.filter(pk=entry.cause_id).exists()
