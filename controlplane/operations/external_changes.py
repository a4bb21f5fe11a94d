"""External changes: which are open, and how they are decided.

A decision is a conditional UPDATE with its history entry, in one transaction, so that only one of two users decides. A
revert is stored together with the intent of its operation, or with the plan of its change set. `reconcile_reverts`
opens the change again if the revert fails, and closes it if the revert takes effect after all.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.models import Entry
from controlplane.audit.unavailable import audit_required
from controlplane.mirror.models import OutsideChange, RemoteObject
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState

State = OutsideChange.State
MAX_BATCH = 200  # decided in one transaction
REVERT_FAILED_STATES = (
    OperationState.REFUSED,
    OperationState.NOT_SENT,
    OperationState.NOT_APPLIED,
    OperationState.OVERTAKEN,
)
FAILED = Q(operation__state__in=REVERT_FAILED_STATES, operation__late_at=None) | Q(
    change_set__state=ChangeSet.State.STOPPED
)
LATE_EFFECT = Q(operation__late_at__isnull=False) | Q(
    change_set__state__in=[ChangeSet.State.RUNNING, ChangeSet.State.DONE]
)


class Decided(Exception):
    """Another user decided the change first."""

    def __init__(self, change: OutsideChange) -> None:
        change.refresh_from_db()
        super().__init__(
            f"Nothing was done. {change.decided_by_name or 'Another user'} decided this change first: "
            f"{change.get_state_display()}."
        )


def changed_outside(object_type: str) -> Exists:
    """Whether a row has an open external change. For querysets of `RemoteObject`s."""
    return Exists(
        OutsideChange.objects.filter(state=State.OPEN, object_type=object_type, object_id=OuterRef("remote_id"))
    )


def annotate_open(rows: Sequence[RemoteObject], user: User | AnonymousUser) -> None:
    """Adds `outside`, the open changes with the newest first, to rows of one type. Only if the user may view them."""
    if not rows or not user.has_perm("mirror.view_outsidechange"):
        return
    changes: dict[str, list[OutsideChange]] = {}
    about = {"object_type": rows[0].object_type, "object_id__in": [row.remote_id for row in rows]}
    for change in OutsideChange.objects.filter(state=State.OPEN, **about).select_related("entry"):
        changes.setdefault(change.object_id, []).append(change)
    for row in rows:
        row.__dict__["outside"] = changes.get(row.remote_id, [])


@audit_required()
def decide(
    ids: Iterable[int],
    state: OutsideChange.State,
    *,
    actor: User,
    name: str,
    justification: Justification = NO_JUSTIFICATION,
) -> int:
    """Accept or dismiss changes, in batches because there may be hundreds. Returns how many were still open.

    Raises ReasonRequired.
    """
    require_justification(justification, actor)
    remaining, decided = iter(ids), 0
    while batch := list(islice(remaining, MAX_BATCH)):
        with transaction.atomic():
            changes = list(
                OutsideChange.objects.select_for_update(of=("self",))
                .select_related("entry")
                .filter(pk__in=batch, state=State.OPEN)
                .order_by("pk")
            )
            _decide(changes, state, actor, name, justification)
        decided += len(changes)
    return decided


def revert(
    change: OutsideChange,
    *,
    actor: User | None,
    name: str,
    justification: Justification = NO_JUSTIFICATION,
    operation: Operation | None = None,
    change_set: ChangeSet | None = None,
) -> None:
    """Mark the change as reverted by an operation or change set, in the transaction that stores that.

    Raises Decided.
    """
    if not _decide([change], State.REVERTED, actor, name, justification, operation=operation, change_set=change_set):
        raise Decided(change)


def reconcile_reverts(*ids: int) -> None:
    """Update changes (these, or all) to the results of their reverts."""
    about = Q(pk__in=ids) if ids else Q()
    reverts = OutsideChange.objects.select_related("entry", "operation", "change_set")
    for change in reverts.filter(FAILED, about, state=State.REVERTED):
        with transaction.atomic():
            reopened = {"state": State.OPEN, "decided_at": None, "decided_by": None, "decided_by_name": ""}
            if OutsideChange.objects.filter(pk=change.pk, state=State.REVERTED).update(**reopened):
                ledger.record(_history_entry(change, "reopened", _cause(change), why=_revert_result(change)))
    for change in reverts.filter(LATE_EFFECT, about, state=State.OPEN):
        by = change.operation or change.change_set
        with transaction.atomic():
            _decide([change], State.REVERTED, by.actor if by else None, by.actor_name if by else ledger.SYSTEM)


def _decide(
    changes: Sequence[OutsideChange],
    state: OutsideChange.State,
    actor: User | None,
    name: str,
    justification: Justification = NO_JUSTIFICATION,
    **by: Operation | ChangeSet | None,
) -> int:
    decided = OutsideChange.objects.filter(pk__in=[change.pk for change in changes], state=State.OPEN).update(
        state=state, decided_at=timezone.now(), decided_by=actor, decided_by_name=name, **by
    )
    if decided:
        ledger.record(
            *(_history_entry(change, state.value, _cause(change, actor, name, justification)) for change in changes)
        )
    return decided


def _history_entry(change: OutsideChange, what: str, cause: ledger.Cause, **more: str) -> Entry:
    after = {"change": change.entry.words, **more}
    return ledger.entry(
        f"outside.{what}", change.object_type, change.object_id, change.entry.object_name, after=after, cause=cause
    )


def _cause(
    change: OutsideChange,
    actor: User | None = None,
    name: str = ledger.SYSTEM,
    justification: Justification = NO_JUSTIFICATION,
) -> ledger.Cause:
    return ledger.Cause(
        Entry.Cause.SYSTEM, f"outside change {change.pk}", actor, name, justification.reason, justification.ticket
    )


def _revert_result(change: OutsideChange) -> str:
    if change.operation is not None:
        return change.operation.message
    return change.change_set.problem if change.change_set is not None else ""
