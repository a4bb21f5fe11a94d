"""Settles operations with an unknown outcome by reading the remote back."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from controlplane import lease
from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.elevenlabs import (
    ConnectionLost,
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    Limited,
    NoConnection,
    TimedOut,
    Unavailable,
    connect,
)
from controlplane.operations import outcome
from controlplane.operations.actions import Verdict, action_of, attempt_of
from controlplane.operations.models import Evidence, Operation, State

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)  # keeps other workers away while one reads an operation back
# Errors about ElevenLabs as a whole, not about the object that was read.
NO_ANSWER_ERRORS = (NoConnection, TimedOut, ConnectionLost, Unavailable, Limited, KeyRefused)
READ_BACK_S = 10.0  # for all attempts of one read-back
# Longer than all reads before a write together, so the process of an older intent died before it sent anything.
INTENT_EXPIRES_AFTER = timedelta(minutes=3)

# (remote id, current JSON or None, mirrored JSON or None) -> cause of the change if an operation made it, else None
Explain = Callable[..., ledger.Cause | None]


def settle_due(client: ElevenLabs | None = None) -> int:
    """Settle the unconfirmed operations that are due. Returns how many were decided.

    Stops at the first operation for which ElevenLabs does not answer, so that a worker is not blocked by one time-out
    after the other. The next run tries the rest.
    """
    _close_expired_intents()
    due = Operation.objects.filter(state=State.SENT, settle_at__lte=timezone.now()).order_by("settle_at")
    decided = 0
    for op in due[:200]:
        error = None
        try:
            error = _settle(op, client or connect(patience=READ_BACK_S))
            decided += not op.is_open
        except Exception:
            log.exception("Operation %s could not be decided; it is looked at again.", op.pk)
        if isinstance(error, NO_ANSWER_ERRORS):
            break
    return decided


def settle(op: Operation, client: ElevenLabs) -> Operation:
    """Read one operation back and decide it, if possible. Safe with concurrent workers: only one gets the claim."""
    _settle(op, client)
    return op


def _settle(op: Operation, client: ElevenLabs) -> ElevenLabsError | None:
    """Returns the error, if it could not be read back."""
    claimed = lease.take(Operation.objects.filter(state=State.SENT), op, "settle_at", LEASE)
    op.refresh_from_db()
    if not claimed or op.sent_at is None:
        return None
    action, attempt = action_of(op), attempt_of(op)
    reading = op.reading()
    try:
        observed = action.read_back(client, attempt)
    except ElevenLabsError as error:
        op.reason_code = error.reason_code
        next_at = outcome.next_read_back(op, action, timezone.now())
        outcome.leave_unconfirmed(op, f"Reading back failed. {error}", settle_at=next_at)
        return error
    op.reason_code = ""
    verdict = action.reconcile(attempt, observed)
    if verdict.state != State.DONE and (by_sync := _verdict_of_sync(op)):
        verdict, observed = by_sync, None
    if verdict.state != State.DONE and timezone.now() < op.sent_at + outcome.patience(action):
        outcome.leave_unconfirmed(
            op,
            "Read back: not there yet. ElevenLabs may still be working on it, so this is not decided yet.",
            settle_at=outcome.next_read_back(op, action, timezone.now()),
        )
        return None
    verdict = outcome.with_success_message(action, attempt, verdict)
    outcome.finish(op, action, verdict, Evidence.READ_BACK, observed, reading)
    return None


def _verdict_of_sync(op: Operation) -> Verdict | None:
    """The verdict if a sync has found an object exactly as requested. It was created then, even if it was changed or
    deleted later, so "not applied" would be wrong."""
    if op.object_id:
        return None
    created = Entry.objects.filter(
        kind=f"{op.object_type}.added", cause=Entry.Cause.OPERATION, cause_id=str(op.pk)
    ).values_list("object_id", flat=True)
    match list(created):
        case []:
            return None
        case [object_id]:
            message = f"It took effect: a sync saw {object_id}. That was changed or deleted since."
        case several:
            message = (
                f"Syncs saw {', '.join(several)}, each as requested, but none is so now. It is not known which of "
                "them, if any, this request created."
            )
    return Verdict(State.OVERTAKEN, message)


def _close_expired_intents() -> None:
    old = Operation.objects.filter(state=State.INTENT, created_at__lt=timezone.now() - INTENT_EXPIRES_AFTER)
    for op in old:
        verdict = Verdict(State.NOT_SENT, "Not sent. The process that was to send it ended first; try again.")
        outcome.finish(op, action_of(op), verdict, Evidence.NOT_RECORDED, since=State.INTENT)


def late_effects(object_type: str) -> Explain:
    """Returns a function with which a sync finds out whether an operation with a lost answer made a change.

    If the operation was "not applied", it took effect late, and the two are linked. An unconfirmed operation that
    created an object whose id is not known yet is only returned as the cause; `settle` decides it. So is one that is
    done but could not read its object. The operations are queried once, when this function is called.
    """
    recent = Q(ended_at__gte=timezone.now() - outcome.LATE_WITHIN)
    lost = Q(state=State.SENT, object_id="") | recent & (
        Q(state=State.NOT_APPLIED) | Q(state=State.DONE, observed__isnull=True)
    )
    lost_operations = Operation.objects.filter(lost, object_type=object_type, late_at=None).order_by("-id")
    candidates = [(op, action_of(op), attempt_of(op)) for op in lost_operations]

    def explain(
        object_id: str, now: dict[str, Any] | None, before: dict[str, Any] | None = None
    ) -> ledger.Cause | None:
        for candidate in candidates:
            op, action, attempt = candidate
            if op.object_id not in ("", object_id):
                continue
            if not action.matches(attempt, object_id, action.parsed(now)):
                continue
            if before and action.matches(attempt, object_id, action.parsed(before)):
                continue
            if op.state != State.NOT_APPLIED:
                return op.cause
            candidates.remove(candidate)
            return _took_effect_late(op, object_id)
        return None

    return explain


def _took_effect_late(op: Operation, object_id: str) -> ledger.Cause:
    with transaction.atomic():
        Operation.objects.filter(pk=op.pk).update(late_at=timezone.now(), object_id=object_id)
        op.object_id = object_id
        outcome.record_event(op, "late", "It took effect after all, late.")
    return op.cause
