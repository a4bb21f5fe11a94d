"""The three commits of a write. Each is durable, and each but the first is a conditional UPDATE, so that no two
processes decide the same operation."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.audit.unavailable import audit_required
from controlplane.elevenlabs import BadShape, Call, unstorable
from controlplane.operations.actions import Action, Verdict, action_for
from controlplane.operations.models import OPEN_STATES, ChangeSet, Operation, State

BEGIN_TRIES = 3
READ_BACK_AFTER_S = (2, 5, 10, 20)  # seconds after sending; from then on every `READ_BACK_EVERY_S`
READ_BACK_EVERY_S = 20
MAX_FIELDS, MAX_FIELD_CHARS = 20, 200  # stored of the fields that a refusal names
LATE_WITHIN = timedelta(days=1)

log = logging.getLogger(__name__)


class ResourceLocked(Exception):
    """Another operation holds the lock on this resource; it is available as `operation`."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(
            f"Not sent. {operation.actor_name} requested at {operation.created_at:%H:%M:%S} UTC to: {operation.title}. "
            "Until it is finished, nothing else can be changed here."
        )
        self.operation = operation


class KeyReused(Exception):
    """An idempotency key was used again with other values."""

    def __init__(self, first: Operation | ChangeSet) -> None:
        self.first = first
        super().__init__(
            f"Not sent. This form was already sent with other values: {first.title}. Open the page again to "
            "request something else."
        )


class Expired(Exception):
    """Another process ended the operation because it took too long before sending. Nothing was sent."""


@audit_required()
def begin(op: Operation, *, on_begin: Callable[[Operation], None] | None = None, tries: int = BEGIN_TRIES) -> bool:
    """Commit A: stores the intent, which is also the lock. False if the key was used before; `op` is then that row.

    `on_begin` is called in the same transaction; if it raises, nothing is stored.
    Raises ResourceLocked and KeyReused.
    """
    try:
        with transaction.atomic(durable=True):
            op.save(force_insert=True)
            if on_begin is not None:
                on_begin(op)
    except IntegrityError:
        first = Operation.objects.filter(key=op.key).first()
        if first is not None:
            if first.fingerprint != op.fingerprint:
                raise KeyReused(first) from None
            op.pk = first.pk
            op.refresh_from_db()
            return False
        holder = Operation.objects.filter(resource=op.resource, state__in=OPEN_STATES).first()
        if holder is not None:
            raise ResourceLocked(holder) from None
        if tries <= 1:  # no operation holds the lock: the database rejects the row for another reason
            raise
        return begin(op, on_begin=on_begin, tries=tries - 1)  # the lock was released between the two queries
    return True


@audit_required()
def claim(op: Operation) -> None:
    """Turn a planned step into an intent, which takes the lock.

    Raises ResourceLocked, or Expired if the step is no longer planned.
    """
    try:
        with transaction.atomic(durable=True):
            claimed = Operation.objects.filter(pk=op.pk, state=State.PLANNED).update(
                state=State.INTENT, created_at=timezone.now()
            )
    except IntegrityError:
        holder = Operation.objects.filter(resource=op.resource, state__in=OPEN_STATES).first()
        raise ResourceLocked(holder or op) from None
    if not claimed:
        raise Expired(str(op))
    op.refresh_from_db()


@audit_required()
def mark_sent(op: Operation, before: dict[str, Any]) -> None:
    """Commit B: stored before the request is sent. From here on, no process repeats the write. Raises Expired."""
    now = timezone.now()
    # The request may wait for its turn for half of its deadline, and then take until the deadline.
    longest = timedelta(seconds=1.5 * settings.ELEVENLABS_WRITE_DEADLINE + READ_BACK_AFTER_S[0])
    values = {"state": State.SENT, "before": before, "sent_at": now, "settle_at": now + longest}
    with transaction.atomic(durable=True):
        if not Operation.objects.filter(pk=op.pk, state=State.INTENT).update(**values):
            raise Expired(str(op))
        _store_precheck_object(op)
        record_event(op, "sent", "On its way to ElevenLabs.")  # nothing is sent unless the history has it
    _set(op, values)


def _store_precheck_object(op: Operation) -> None:
    """Store the object as the precheck read it.

    If it differs from the mirror, it was changed outside this app, and this keeps that change separate from the one
    that is about to be sent. If it may be the late effect of an earlier operation, that is left to a sync to decide.
    """
    not_applied = Operation.objects.filter(
        object_type=op.object_type, object_id=op.object_id, state=State.NOT_APPLIED, late_at=None
    )
    if (
        op.precheck_object is None
        or unstorable(op.precheck_object)
        or not_applied.filter(ended_at__gte=timezone.now() - LATE_WITHIN).exists()
    ):
        return
    try:
        with transaction.atomic():
            action_for(op.kind).store(op, op.precheck_object, external_cause(op))
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


def leave_unconfirmed(op: Operation, message: str, *, settle_at: datetime | None = None) -> Operation:
    """Store that the outcome is unknown. `settle` reads the object back at `settle_at`, by default in 2 s."""
    settle_at = settle_at or timezone.now() + timedelta(seconds=READ_BACK_AFTER_S[0])
    values = {"message": storable(message), "settle_at": settle_at, **_call_values(op)}
    with transaction.atomic(durable=True):
        Operation.objects.filter(pk=op.pk, state=State.SENT).update(**values)
    op.refresh_from_db()
    return op


def finish(
    op: Operation, verdict: Verdict, *, observed: dict[str, Any] | None, evidence: str, expected: State = State.SENT
) -> Operation:
    """Commit C: verdict, mirrored row and history entry in one transaction. Does nothing if it is already decided."""
    with audit_required() if expected == State.INTENT else nullcontext():  # an intent: nothing was sent
        return _finish(op, action_for(op.kind), verdict, observed, evidence, expected)


def _finish(
    op: Operation, action: Action, verdict: Verdict, observed: dict[str, Any] | None, evidence: str, expected: State
) -> Operation:
    message = storable(verdict.message)
    if observed is not None and verdict.state == State.DONE:
        op.object_id = op.object_id or action.created_id(observed)
    if observed is not None and (reason := unstorable(observed)):
        observed = None
        message += f" What ElevenLabs shows now cannot be kept here ({reason})."
    try:
        try:
            return _commit(op, action, verdict, observed, message, evidence, expected)
        except IntegrityError:  # a sync stored the new object at the same time; the second try finds its row
            return _commit(op, action, verdict, observed, message, evidence, expected)
    except (DataError, IntegrityError, BadShape) as error:
        if observed is None:
            raise
        reason = str(error) if isinstance(error, BadShape) else f"The database refused it: {type(error).__name__}."
        message += f" What ElevenLabs shows now cannot be kept here. {reason}"
        return _commit(op, action, verdict, None, message, evidence, expected)


def _commit(
    op: Operation,
    action: Action,
    verdict: Verdict,
    observed: dict[str, Any] | None,
    message: str,
    evidence: str,
    expected: State,
) -> Operation:
    values = {
        "state": verdict.state,
        "message": message,
        "evidence": evidence,
        "not_kept": verdict.not_kept,
        "error_fields": [storable(name)[:MAX_FIELD_CHARS] for name in verdict.error_fields[:MAX_FIELDS]],
        "observed": None if observed is None else action.summarize(op, observed),
        "ended_at": timezone.now(),
        "settle_at": None,
        **_call_values(op),
    }
    with transaction.atomic(durable=True):
        if Operation.objects.filter(pk=op.pk, state=expected).update(**values):
            _set(op, values)
            _store_and_record(op, action, observed)
            return op
    op.refresh_from_db()
    return op


def _store_and_record(op: Operation, action: Action, observed: dict[str, Any] | None) -> None:
    done = op.state == State.DONE
    if done or observed is not None:
        action.store(op, observed, cause_of(op) if done else external_cause(op))
    record_event(op, str(op.state), op.message)


def record_event(op: Operation, what: str, message: str) -> None:
    """Write a history entry about the operation itself. The change that it made has a separate entry."""
    after: dict[str, Any] = {"asked": op.title, "message": message}
    if op.undoes_id is not None:
        after["undoes"] = op.undoes_id
    entry = ledger.entry(
        f"operation.{what}",
        op.object_type,
        op.object_id,
        op.display_names.get("object", ""),
        after=after,
        cause=cause_of(op),
    )
    ledger.record(entry)


def external_cause(op: Operation) -> ledger.Cause:
    """The cause of a difference that the operation observed but did not make."""
    return ledger.Cause(Entry.Cause.SYNC, f"operation {op.pk}")


def cause_of(op: Operation) -> ledger.Cause:
    return ledger.Cause(Entry.Cause.OPERATION, str(op.pk), op.actor, op.actor_name, op.reason, op.ticket)


def storable(text: str) -> str:
    """Replaces characters that no database can store. A message may quote a remote value."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def patience(action: Action) -> timedelta:
    """How long after sending "not applied" is not believed: the remote may still apply the write, or list it later."""
    return settings.SETTLE_AFTER if action.patience is None else timedelta(seconds=action.patience)


def next_read_back(op: Operation, now: datetime) -> datetime:
    """When to read an unconfirmed operation back again: by schedule, or as soon as "not applied" is believed."""
    sent_at = op.sent_at or now
    later = [at for at in (sent_at + timedelta(seconds=seconds) for seconds in READ_BACK_AFTER_S) if at > now]
    soonest = later[0] if later else now + timedelta(seconds=READ_BACK_EVERY_S)
    believed_at = sent_at + patience(action_for(op.kind))
    return believed_at if now < believed_at < soonest else soonest


def _call_values(op: Operation) -> dict[str, Any]:
    return {
        "object_id": op.object_id,
        "http_status": op.http_status,
        "trace_id": op.trace_id,
        "milliseconds": op.milliseconds,
    }


def _set(op: Operation, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(op, name, value)
