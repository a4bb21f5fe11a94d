"""Decide the operations whose outcome is unknown by reading the remote back. Writes nothing to the remote."""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, connect
from controlplane.operations import journal
from controlplane.operations.kinds import Verdict, kind_of
from controlplane.operations.models import Operation, State
from controlplane.operations.run import done_message

log = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=15)
# An intent this old belongs to a process that died before it sent: longer than all reads before a write together.
INTENT_DIES_AFTER = timedelta(minutes=3)
LATE_WITHIN = timedelta(days=1)


def settle_due(client: ElevenLabs | None = None) -> int:
    """Look at every unconfirmed operation that is due; how many were decided."""
    _close_dead_intents()
    due = Operation.objects.filter(state=State.SENT, settle_at__lte=timezone.now()).order_by("settle_at")
    decided = 0
    for op in due[:200]:
        decided += not settle(op, client or connect()).is_open
    return decided


def settle(op: Operation, client: ElevenLabs) -> Operation:
    """Read back and decide one, if it can be decided yet. Two workers do no harm: one of them gets the claim."""
    now = timezone.now()
    claimed = Operation.objects.filter(pk=op.pk, state=State.SENT, settle_at=op.settle_at).update(
        settle_at=now + LOOK_AGAIN
    )
    op.refresh_from_db()
    if not claimed or op.sent_at is None:
        return op
    kind = kind_of(op.kind)
    try:
        seen = kind.look(client, op)
    except ElevenLabsError as error:
        return journal.leave_unconfirmed(op, f"Reading back failed, we look again soon. {error}")
    verdict = kind.judge(op, seen)
    if verdict.state != State.DONE and timezone.now() < op.sent_at + journal.patience(kind):
        return journal.leave_unconfirmed(
            op, "Read back: not there yet. ElevenLabs may still be working on it, so this is not decided yet."
        )
    if verdict.state == State.DONE:
        verdict = Verdict(State.DONE, done_message(op, kind, verdict), verdict.not_kept)
    return journal.finish(
        op, verdict, seen=seen, known_by=f"Read back from ElevenLabs at {timezone.now():%H:%M:%S} UTC."
    )


def _close_dead_intents() -> None:
    old = Operation.objects.filter(state=State.INTENT, created_at__lt=timezone.now() - INTENT_DIES_AFTER)
    for op in old:
        verdict = Verdict(State.NOT_SENT, "Not sent. The process that was to send it ended first; try again.")
        journal.finish(op, verdict, seen=None, known_by="No request was recorded.", expected=State.INTENT)


def late_cause(object_type: str, object_id: str, seen: dict[str, Any] | None) -> ledger.Cause | None:
    """A sync found a change: is it a write that we had called "not applied", taking effect late? Then link the two."""
    candidates = Operation.objects.filter(
        state=State.NOT_APPLIED,
        object_type=object_type,
        object_id__in=["", object_id],
        ended_at__gte=timezone.now() - LATE_WITHIN,
        late_at=None,
    )
    for op in candidates.order_by("-id"):
        if kind_of(op.kind).shows(op, object_id, seen):
            return _took_effect_late(op, object_id)
    return None


def _took_effect_late(op: Operation, object_id: str) -> ledger.Cause:
    cause = journal.cause_of(op)
    with transaction.atomic():
        Operation.objects.filter(pk=op.pk).update(late_at=timezone.now(), object_id=object_id)
        ledger.record(
            "operation.late",
            object_type=op.object_type,
            object_id=object_id,
            object_name=op.names.get("object", ""),
            after={"asked": op.title, "message": "It took effect after all, late."},
            cause=cause,
        )
    return cause
