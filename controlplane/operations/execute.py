"""Carries out one action: commit the intent, check, commit "sent", send once, commit the result.

Must not be called inside a transaction: each commit has to be durable before the next step, and no remote call may
hold a transaction open. `atomic(durable=True)` enforces that. Every commit but the first is a conditional UPDATE, so
that no two processes decide the same operation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.unavailable import audit_required, mark_as_sent
from controlplane.elevenlabs import (
    ElevenLabs,
    ElevenLabsError,
    KeyRefused,
    Limited,
    NotFound,
    Outcome,
    connect,
    unstorable,
)
from controlplane.mirror.models import Hold
from controlplane.mirror.readings import Reading
from controlplane.operations import outcome
from controlplane.operations.actions import (
    Action,
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    action_of,
)
from controlplane.operations.errors import Expired, KeyReused, ResourceLocked
from controlplane.operations.models import OPEN_STATES, ChangeSet, Evidence, Operation, State

CLICK_PATIENCE_S = 8.0  # for all attempts of one read while a user waits
BEGIN_TRIES = 3
PRECONDITION = "precondition"  # the reason code of an operation that our own check refused


@dataclass(frozen=True, kw_only=True)
class ActionContext:
    """Who requests an action, and how. `on_begin` is called in the transaction that stores the intent; if it raises,
    nothing is stored. `undoes` is the primary key of the history entry that the action reverts."""

    key: str
    actor: User | None
    justification: Justification = NO_JUSTIFICATION
    on_begin: Callable[[Operation | ChangeSet], None] | None = None
    undoes: int | None = None


@sensitive_variables("secrets")
def execute(
    action: Action, context: ActionContext, *, secrets: Secrets | None = None, client: ElevenLabs | None = None
) -> Operation:
    """Carry out one action, or return the operation that the context's key created before.

    Raises ResourceLocked, KeyReused, Expired and ReasonRequired.
    """
    op = new_operation(action, context, State.INTENT)
    # Before the intent is stored, so that a missing base URL leaves no open operation behind.
    client = client or connect(patience=CLICK_PATIENCE_S, urgent=True)
    if begin(op, context.on_begin):  # commit A
        carry_out(op, client, action=action, secrets=secrets)
    return op


def new_operation(action: Action, context: ActionContext, state: State) -> Operation:
    """Build the unsaved operation. Every write goes through here, so this enforces the reason.

    Raises ReasonRequired.
    """
    require_justification(context.justification, context.actor)
    return Operation(
        key=context.key,
        kind=action.name,
        resource=action.resource,
        fingerprint=action.fingerprint,
        state=state,
        object_type=action.object_type,
        object_id=action.object_id,
        display_names=dict(action.display_names),
        title=action.title(),
        params=action.params,
        actor=context.actor,
        actor_name=ledger.actor_label(context.actor),
        reason=context.justification.reason,
        ticket=context.justification.ticket,
        undoes_id=context.undoes,
    )


@sensitive_variables("secrets")
def carry_out(
    op: Operation, client: ElevenLabs, *, action: Action | None = None, secrets: Secrets | None = None
) -> Operation:
    """Take a committed intent to a verdict or to "unconfirmed". Raises Expired."""
    action = action or action_of(op)
    reading = op.reading()
    try:
        _refuse_in_other_workspace()
        attempt = action.precheck(client)
    except (NothingToDo, PreconditionFailed, ElevenLabsError) as reason:
        return _end_before_sending(op, action, reason, reading)
    except DatabaseError:  # the database could hardly store a result either; the intent expires by itself
        raise
    except Exception:  # a bug in this app must not leave the object locked
        message = (
            "Not sent. The check ahead of sending failed by an error of this app; details are in the server's log."
        )
        outcome.finish(op, action, Verdict(State.NOT_SENT, message), Evidence.NOT_READ, since=State.INTENT)
        raise
    if reason_text := unstorable(dict(attempt.before)):
        verdict = Verdict(State.NOT_SENT, f"Not sent. What ElevenLabs shows now cannot be kept here ({reason_text}).")
        return outcome.finish(op, action, verdict, Evidence.CHECKED, since=State.INTENT)

    mark_sent(op, action, attempt, reading)  # commit B
    mark_as_sent()
    reading = op.reading()
    try:
        reply = action.send(client, attempt, secrets or {})
    except ElevenLabsError as error:
        outcome.record_call(op, client.last_call)
        return _end_after_error(op, action, attempt, error)
    outcome.record_call(op, client.last_call)
    return _end_after_reply(op, action, attempt, reply, client, reading)  # commit C


@audit_required()
def begin(op: Operation, on_begin: Callable[[Operation], None] | None = None, *, tries: int = BEGIN_TRIES) -> bool:
    """Commit A: stores the intent, which is also the lock. False if the key was used before; `op` is then that row.

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
        return begin(op, on_begin, tries=tries - 1)  # the lock was released between the two queries
    return True


@audit_required()
def claim(op: Operation) -> None:
    """Commit A of a planned step: turns it into an intent, which takes the lock.

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
def mark_sent(op: Operation, action: Action, attempt: Attempt, reading: Reading) -> None:
    """Commit B: stored before the request is sent. From here on, no process repeats the write. Raises Expired."""
    now = timezone.now()
    # The request may wait for its turn for half of its deadline, and then take until the deadline.
    longest = timedelta(seconds=1.5 * settings.ELEVENLABS_WRITE_DEADLINE + outcome.READ_BACK_AFTER_S[0])
    values = {"state": State.SENT, "before": dict(attempt.before), "sent_at": now, "settle_at": now + longest}
    with transaction.atomic(durable=True):
        if not Operation.objects.filter(pk=op.pk, state=State.INTENT).update(**values):
            raise Expired(str(op))
        if attempt.found is not None:
            outcome.store_as_found(op, action, attempt.found, reading)
        outcome.record_event(op, "sent", "On its way to ElevenLabs.")  # nothing is sent unless the history has it
    op.update_from(values)


def _refuse_in_other_workspace() -> None:
    """Raises PreconditionFailed while a sync holds another workspace.

    The user saw objects of one workspace, and the API key would write to another.
    """
    hold = Hold.objects.filter(kind=Hold.Kind.WORKSPACE, state=Hold.State.OPEN).first()
    if hold is not None:
        raise PreconditionFailed(
            f"The key that is set opens another workspace ({hold.there}) than the one shown here ({hold.here}). An "
            "administrator has to set the right key, or to accept the other workspace under Sync, Holds."
        )


def _end_before_sending(
    op: Operation, action: Action, reason: NothingToDo | PreconditionFailed | ElevenLabsError, reading: Reading
) -> Operation:
    if isinstance(reason, ElevenLabsError):
        message = f"Not sent: reading from ElevenLabs first failed. {reason}{_advice(reason)}"
        verdict = Verdict(State.NOT_SENT, message)
        op.reason_code = reason.reason_code
        return outcome.finish(op, action, verdict, Evidence.NOT_READ, since=State.INTENT)
    if isinstance(reason, NothingToDo):
        verdict = Verdict(State.DONE, str(reason))
    else:
        op.reason_code = PRECONDITION
        verdict = Verdict(State.NOT_SENT, f"Not sent. {reason}", error_fields=[reason.field] if reason.field else [])
    return outcome.finish(
        op, action, verdict, Evidence.CHECKED, observed=reason.observed, reading=reading, since=State.INTENT
    )


def _end_after_reply(
    op: Operation, action: Action, attempt: Attempt, reply: Reply, client: ElevenLabs, reading: Reading
) -> Operation:
    observed = reply.observed
    if reply.object_id and not op.object_id:
        outcome.store_id(op, reply.object_id)
        action = action.with_id(reply.object_id)
    attempt = replace(attempt, http_status=op.http_status, is_reply=observed is not None)
    if observed is None and not action.removes:
        reading = op.reading()
        try:
            observed = action.read_back(client, attempt)
        except ElevenLabsError:
            observed = None  # the write was confirmed; the next sync reads the object
    # Without the object there is only the response to the write, which confirmed it.
    verdict = Verdict(State.DONE) if observed is None else action.reconcile(attempt, observed)
    if verdict.state == State.NOT_APPLIED and not verdict.is_final:
        return outcome.leave_unconfirmed(
            op, "ElevenLabs took the request, but its answer shows what was before. It is read back until that is sure."
        )
    return outcome.finish(
        op, action, outcome.with_success_message(action, attempt, verdict), Evidence.ANSWERED, observed, reading
    )


def _end_after_error(op: Operation, action: Action, attempt: Attempt, error: ElevenLabsError) -> Operation:
    op.reason_code = error.reason_code
    if isinstance(error, NotFound) and action.removes:
        message = f"{action.success_message(attempt, [])} It was already gone at ElevenLabs."
        return outcome.finish(op, action, Verdict(State.DONE, message), Evidence.ANSWERED)
    if error.outcome is Outcome.REFUSED:
        explained = action.explain_refusal(error)
        fields = [explained.field if explained else "", error.param, *(path for path, _ in error.fields)]
        message = str(explained or f"{error} Nothing was changed.")
        verdict = Verdict(State.REFUSED, message, error_fields=[name for name in dict.fromkeys(fields) if name])
        return outcome.finish(op, action, verdict, Evidence.ANSWERED)
    if error.outcome is Outcome.NOT_SENT:
        verdict = Verdict(State.NOT_SENT, f"Not sent. {error} Nothing was changed; it is safe to try again.")
        return outcome.finish(op, action, verdict, Evidence.NEVER_LEFT)
    return outcome.leave_unconfirmed(
        op, f"{error} ElevenLabs may or may not have done it. Until that is known, it cannot be changed here."
    )


def _advice(error: ElevenLabsError) -> str:
    if isinstance(error, KeyRefused):
        return " An administrator has to look at the key."
    return "" if isinstance(error, Limited) else " Try again in a minute."  # that one names the time itself
