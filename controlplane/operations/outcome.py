"""Stores how an operation ended, or that this is not known yet. Used when it is carried out and when it is settled."""

import logging
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.audit.unavailable import audit_required
from controlplane.elevenlabs import BadShape, Call, Remote, unstorable
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import Action, Attempt, Verdict
from controlplane.operations.models import Evidence, Operation, State

READ_BACK_AFTER_S = (2, 5, 10, 20)  # seconds after sending; from then on every `READ_BACK_EVERY_S`
READ_BACK_EVERY_S = 20
MAX_FIELDS, MAX_FIELD_CHARS = 20, 200  # stored of the fields that a refusal names
LATE_WITHIN = timedelta(days=1)

log = logging.getLogger(__name__)


def finish(
    op: Operation,
    action: Action,
    verdict: Verdict,
    evidence: Evidence,
    observed: Remote | None = None,
    reading: Reading | None = None,
    *,
    since: State = State.SENT,
) -> Operation:
    """Commit C: verdict, mirrored row and history entry in one transaction. Does nothing if it is already decided, that
    is, unless it is still in the state `since`. `reading` says when `observed` was read.
    """
    message = storable(verdict.message)
    if observed is not None and verdict.state == State.DONE:
        op.object_id = op.object_id or action.created_id(observed)
    if observed is not None and (reason := unstorable(observed.raw)):
        observed = None
        message += f" What ElevenLabs shows now cannot be kept here ({reason})."
    reading = reading or Reading(op.created_at, op.pk)

    def commit() -> Operation:
        return _commit(op, action, verdict, message, evidence, observed, reading, since)

    with audit_required() if since == State.INTENT else nullcontext():  # an intent: nothing was sent
        try:
            try:
                return commit()
            except IntegrityError:  # a sync stored the new object at the same time; the second try finds its row
                return commit()
        except (DataError, IntegrityError, BadShape) as error:
            if observed is None:
                raise
            reason = str(error) if isinstance(error, BadShape) else f"The database refused it: {type(error).__name__}."
            message += f" What ElevenLabs shows now cannot be kept here. {reason}"
            observed = None
            return commit()


def _commit(
    op: Operation,
    action: Action,
    verdict: Verdict,
    message: str,
    evidence: Evidence,
    observed: Remote | None,
    reading: Reading,
    since: State,
) -> Operation:
    values = {
        "state": verdict.state,
        "message": message,
        "evidence": evidence,
        "not_kept": verdict.not_kept,
        "error_fields": [storable(name)[:MAX_FIELD_CHARS] for name in verdict.error_fields[:MAX_FIELDS]],
        "observed": None if observed is None else action.summarize(observed),
        "ended_at": timezone.now(),
        "settle_at": None,
        **_call_values(op),
    }
    done = verdict.state == State.DONE
    with transaction.atomic(durable=True):
        if Operation.objects.filter(pk=op.pk, state=since).update(**values):
            op.update_from(values)
            if done or observed is not None:
                cause = op.cause if done else op.external_cause
                action.with_id(op.object_id).store(observed, cause, reading, done=done)
            record_event(op, str(op.state), op.message)
            return op
    op.refresh_from_db()
    return op


def leave_unconfirmed(op: Operation, message: str, *, settle_at: datetime | None = None) -> Operation:
    """Store that the outcome is unknown. `settle` reads the object back at `settle_at`, by default in 2 s."""
    settle_at = settle_at or timezone.now() + timedelta(seconds=READ_BACK_AFTER_S[0])
    values = {"message": storable(message), "settle_at": settle_at, **_call_values(op)}
    with transaction.atomic(durable=True):
        Operation.objects.filter(pk=op.pk, state=State.SENT).update(**values)
    op.refresh_from_db()
    return op


def store_as_found(op: Operation, action: Action, found: Remote, reading: Reading) -> None:
    """Store the object as the precheck read it.

    If it differs from the mirror, it was changed outside this app, and this keeps that change separate from the one
    that is about to be sent. If it may be the late effect of an earlier operation, that is left to a sync to decide.
    """
    if action.is_mirrored(found):
        return
    not_applied = Operation.objects.filter(
        object_type=op.object_type, object_id=op.object_id, state=State.NOT_APPLIED, late_at=None
    )
    if unstorable(found.raw) or not_applied.filter(ended_at__gte=timezone.now() - LATE_WITHIN).exists():
        return
    try:
        with transaction.atomic():
            action.store(found, op.external_cause, reading, done=False)
    except (BadShape, DataError) as error:
        log.warning("What operation %s read ahead of sending cannot be kept here: %s", op.pk, error)


def store_id(op: Operation, object_id: str) -> None:
    """Store the id of a new object at once, before anything else can fail."""
    with transaction.atomic(durable=True):
        Operation.objects.filter(pk=op.pk).update(object_id=object_id)
    op.object_id = object_id


def record_call(op: Operation, call: Call | None) -> None:
    """Set how the write was answered. Saved by the commit that follows."""
    if call is not None:
        op.http_status, op.trace_id, op.milliseconds = call.status, call.trace_id[:80], round(call.milliseconds)


def record_event(op: Operation, what: str, message: str) -> None:
    """Write a history entry about the operation itself. The change that it made has a separate entry."""
    after: dict[str, Any] = {"asked": op.title, "message": message}
    if op.undoes_id is not None:
        after["undoes"] = op.undoes_id
    name = op.display_names.get("object", "")
    ledger.record(ledger.entry(f"operation.{what}", op.object_type, op.object_id, name, after=after, cause=op.cause))


def with_success_message(action: Action, attempt: Attempt, verdict: Verdict) -> Verdict:
    """The verdict with the action's message before its own, if it is "done"."""
    if verdict.state != State.DONE:
        return verdict
    not_kept = f"ElevenLabs did not keep: {', '.join(verdict.not_kept)}." if verdict.not_kept else ""
    without = [*verdict.not_kept, *verdict.unknown]
    parts = (action.success_message(attempt, without), verdict.message, not_kept)
    return replace(verdict, message=" ".join(part for part in parts if part))


def storable(text: str) -> str:
    """Replaces characters that no database can store. A message may quote a remote value."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def patience(action: type[Action] | Action) -> timedelta:
    """How long after sending "not applied" is not believed: the remote may still apply the write, or list it later."""
    return settings.SETTLE_AFTER if action.patience is None else timedelta(seconds=action.patience)


def next_read_back(op: Operation, action: Action, now: datetime) -> datetime:
    """When to read an unconfirmed operation back again: by schedule, or as soon as "not applied" is believed."""
    sent_at = op.sent_at or now
    later = [at for at in (sent_at + timedelta(seconds=seconds) for seconds in READ_BACK_AFTER_S) if at > now]
    soonest = later[0] if later else now + timedelta(seconds=READ_BACK_EVERY_S)
    believed_at = sent_at + patience(action)
    return believed_at if now < believed_at < soonest else soonest


def _call_values(op: Operation) -> dict[str, Any]:
    return {
        "object_id": op.object_id,
        "http_status": op.http_status,
        "trace_id": op.trace_id,
        "milliseconds": op.milliseconds,
        "reason_code": op.reason_code,
    }
