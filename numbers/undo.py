"""Undoes an operation by a new operation, if the object is still as the first one left it."""

from django.contrib.auth.models import User
from django.db.models import Q

from controlplane.audit.justification import NO_JUSTIFICATION, Justification
from controlplane.audit.models import Entry
from controlplane.operations import change_sets
from controlplane.operations.journal import KeyReused
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.run import run
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


def execute(
    entry: Entry, *, key: str, actor: User | None, justification: Justification = NO_JUSTIFICATION
) -> Operation:
    """Undo by a single operation, if one is enough. Raises NotRevertible and what `run` raises."""
    if (first := Operation.objects.filter(key=key).first()) is not None:
        if first.undoes_id != entry.pk:
            raise KeyReused(first)
        return first
    [action_request] = revert_plan.action_requests(
        plan_revert(entry), justification.or_else(_reason(entry)), undoes=entry.pk
    )
    return run(action_request, key=key, actor=actor)


def plan_change_set(
    entry: Entry, *, key: str, actor: User | None, justification: Justification = NO_JUSTIFICATION
) -> ChangeSet:
    """Undo by several operations, which a worker runs. Raises NotRevertible and KeyReused."""
    request = {"undo": entry.pk}
    if (first := change_sets.planned(key, request)) is not None:
        return first
    action_requests = revert_plan.action_requests(
        plan_revert(entry), justification.or_else(_reason(entry)), undoes=entry.pk
    )
    title = f"Undo what was changed on {entry.object_name}"
    return change_sets.plan(title, action_requests, asked=request, key=key, actor=actor, justification=justification)


def _reason(entry: Entry) -> str:
    return f"Undoes history entry {entry.pk}."


def _is_under_way(entry: Entry) -> bool:
    running = Operation.objects.filter(change_set__state=ChangeSet.State.RUNNING)
    return entry.cause_id.isdecimal() and running.filter(pk=entry.cause_id).exists()
