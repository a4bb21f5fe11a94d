"""Holds: unlikely results of a sync that wait for a person to confirm them."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.models import Entry
from controlplane.audit.unavailable import audit_required
from controlplane.mirror.models import Hold
from controlplane.mirror.runs import Lease

# If more objects than this are newly missing in one run, and more than this share of all, the result is held.
MAX_MISSING = 5
MAX_MISSING_SHARE = 0.1
ACCEPTED_FOR = timedelta(days=1)  # a decision does not cover what goes missing later


def too_many(missing: int, out_of: int) -> bool:
    return missing > max(MAX_MISSING, MAX_MISSING_SHARE * out_of)


def hold_missing(lease: Lease, what: str, missing: list[str], out_of: int) -> str:
    """Hold a collection of which too many objects are missing. Returns the message for the run."""
    _open(lease, Hold.Kind.VANISHED, what, objects_missing=missing, out_of=out_of)
    return (
        f"Held: {len(missing)} of {out_of} {what} are not in the list any more. That many at once suggests a wrong "
        "key or a fault, so none was marked as gone."
    )


def workspace(lease: Lease, here: str, there: str) -> str:
    """Hold the run because the API key belongs to another workspace than the mirror. Returns the message for the run.

    `here` is the mirror's workspace and `there` the key's, both as "host/workspace".
    """
    _open(lease, Hold.Kind.WORKSPACE, "", here=here, there=there)
    return (
        f"Held: the API key belongs to another workspace ({there or 'it shows none of the known objects'}) than the "
        f"data shown here ({here}). Nothing was listed."
    )


def _open(lease: Lease, kind: str, what: str, **values: object) -> None:
    run = lease.run
    with transaction.atomic():
        lease.renew()
        hold, new = Hold.objects.select_for_update().get_or_create(
            kind=kind, what=what, state=Hold.State.OPEN, defaults={"run": run, **values}
        )
        if not new:
            Hold.objects.filter(pk=hold.pk, state=Hold.State.OPEN).update(run=run, **values)
            return
        _record(hold, "opened", ledger.Cause(Entry.Cause.SYNC, str(run.pk)))


def close_resolved(lease: Lease, kind: str, what: str = "") -> None:
    """Close the open holds of this kind, because a run did not find the problem any more."""
    for hold in Hold.objects.filter(kind=kind, what=what, state=Hold.State.OPEN):
        with transaction.atomic():
            lease.renew()
            if Hold.objects.filter(pk=hold.pk, state=Hold.State.OPEN).update(
                state=Hold.State.OVER, decided_at=timezone.now()
            ):
                _record(hold, "over", ledger.Cause(Entry.Cause.SYNC, str(lease.run.pk)))


@audit_required()
def accept(hold: Hold, *, actor: User, name: str, justification: Justification = NO_JUSTIFICATION) -> bool:
    """Accept what the sync found. False if the hold is no longer open. Raises ReasonRequired."""
    require_justification(justification, actor)
    cause = ledger.Cause(Entry.Cause.SYSTEM, f"hold {hold.pk}", actor, name, justification.reason, justification.ticket)
    with transaction.atomic():
        decided = Hold.objects.filter(pk=hold.pk, state=Hold.State.OPEN).update(
            state=Hold.State.ACCEPTED, decided_at=timezone.now(), decided_by=actor, decided_by_name=name
        )
        if decided:
            _record(hold, "accepted", cause)
    return bool(decided)


def accepted_missing(what: str) -> set[str]:
    """Ids of missing objects in recently accepted holds. Each is still looked up in two runs."""
    accepted = Hold.objects.filter(
        kind=Hold.Kind.VANISHED, what=what, state=Hold.State.ACCEPTED, decided_at__gte=timezone.now() - ACCEPTED_FOR
    )
    return {remote_id for missing in accepted.values_list("objects_missing", flat=True) for remote_id in missing}


def workspace_changed_at() -> datetime | None:
    """When a change of workspace was accepted, if recently. Objects mirrored before may be missing from the new one."""
    return (
        Hold.objects.filter(
            kind=Hold.Kind.WORKSPACE, state=Hold.State.ACCEPTED, decided_at__gte=timezone.now() - ACCEPTED_FOR
        )
        .values_list("decided_at", flat=True)
        .first()
    )


def accepted_workspace() -> Hold | None:
    """The newest accepted change of workspace."""
    return Hold.objects.filter(kind=Hold.Kind.WORKSPACE, state=Hold.State.ACCEPTED).first()


def _record(hold: Hold, what: str, cause: ledger.Cause) -> None:
    after = {"here": hold.here, "there": hold.there} if hold.kind == Hold.Kind.WORKSPACE else {"missing": str(hold)}
    ledger.record(ledger.entry(f"hold.{what}", "sync", str(hold.run_id or ""), str(hold), after=after, cause=cause))
