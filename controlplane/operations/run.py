"""Runs one write: commit the intent, check, commit "sent", send once, commit the result.

Must not be called inside a transaction: each commit has to be durable before the next step, and no remote call may
hold a transaction open. `atomic(durable=True)` in the journal enforces that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.unavailable import mark_as_sent
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, KeyRefused, NotFound, Outcome, connect, unstorable
from controlplane.mirror.models import Hold
from controlplane.operations import journal
from controlplane.operations.actions import (
    Action,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    action_for,
    fingerprint,
)
from controlplane.operations.models import Operation, State

CHECKED = "Read from ElevenLabs before sending."
ANSWERED = "ElevenLabs answered the request."
CLICK_PATIENCE_S = 8.0  # for all attempts of one read while a user waits

# Called in the transaction that stores the intent; nothing is stored if it raises: see `journal.begin`.
OnBegin = Callable[[Operation], None]


@dataclass(frozen=True)
class ActionRequest:
    """A requested write. `display_names` are those that the page showed; `params` never contains a secret."""

    action: type[Action]
    object_id: str
    params: Mapping[str, Any]
    display_names: Mapping[str, str] = field(default_factory=dict)
    justification: Justification = NO_JUSTIFICATION
    undoes: int | None = None  # primary key of the history entry that it reverts

    @property
    def title(self) -> str:
        return self.operation(key="", actor=None, state=State.PLANNED).title

    def operation(self, *, key: str, actor: User | None, state: State) -> Operation:
        """Build the unsaved operation. Every write by staff goes through here, so this enforces the reason.

        Raises ReasonRequired.
        """
        require_justification(self.justification, actor)
        action = action_for(self.action.name)
        resource = action.resource(self.object_id, self.params)
        op = Operation(
            key=key,
            kind=action.name,
            resource=resource,
            fingerprint=fingerprint(action.name, resource, self.params),
            state=state,
            object_type=action.object_type,
            object_id=self.object_id,
            display_names=dict(self.display_names),
            params=dict(self.params),
            actor=actor,
            actor_name=actor_label(actor),
            reason=self.justification.reason,
            ticket=self.justification.ticket,
            undoes_id=self.undoes,
        )
        op.title = action.title(op)
        return op


def actor_label(actor: User | None) -> str:
    if actor is None:
        return ledger.SYSTEM
    full = actor.get_full_name()
    return f"{full} ({actor.get_username()})" if full else actor.get_username()


@sensitive_variables("secrets")
def run(
    action_request: ActionRequest,
    *,
    key: str,
    actor: User | None,
    secrets: Secrets | None = None,
    client: ElevenLabs | None = None,
    on_begin: OnBegin | None = None,
) -> Operation:
    """Carry out one request, or return the operation that its key created before.

    Raises ResourceLocked, KeyReused and ReasonRequired.
    """
    op = action_request.operation(key=key, actor=actor, state=State.INTENT)
    # Before the intent is stored, so that a missing base URL leaves no open operation behind.
    client = client or connect(patience=CLICK_PATIENCE_S, urgent=True)
    if journal.begin(op, on_begin=on_begin):  # commit A
        carry_out(op, client=client, secrets=secrets or {})
    return op


@sensitive_variables("secrets")
def carry_out(op: Operation, *, client: ElevenLabs, secrets: Secrets) -> Operation:
    """Take a committed intent to a verdict or to "unconfirmed". Raises Expired."""
    action = action_for(op.kind)
    try:
        _refuse_in_other_workspace()
        op.asked_at = timezone.now()
        before = action.precheck(client, op)
    except NothingToDo as nothing:
        verdict = Verdict(State.DONE, str(nothing))
        return journal.finish(op, verdict, observed=nothing.observed, evidence=CHECKED, expected=State.INTENT)
    except PreconditionFailed as failure:
        fields = [failure.field] if failure.field else []
        verdict = Verdict(State.NOT_SENT, f"Not sent. {failure}", error_fields=fields)
        return journal.finish(op, verdict, observed=failure.observed, evidence=CHECKED, expected=State.INTENT)
    except ElevenLabsError as error:
        verdict = Verdict(State.NOT_SENT, f"Not sent: reading from ElevenLabs first failed. {error}{_advice(error)}")
        return journal.finish(op, verdict, observed=None, evidence="Nothing was sent.", expected=State.INTENT)
    except DatabaseError:  # the database could hardly store a result either; the intent expires by itself
        raise
    except Exception:  # a bug in this app must not leave the object locked
        message = (
            "Not sent. The check ahead of sending failed by an error of this app; details are in the server's log."
        )
        verdict = Verdict(State.NOT_SENT, message)
        journal.finish(op, verdict, observed=None, evidence="Nothing was sent.", expected=State.INTENT)
        raise

    if reason := unstorable(before):
        verdict = Verdict(State.NOT_SENT, f"Not sent. What ElevenLabs shows now cannot be kept here ({reason}).")
        return journal.finish(op, verdict, observed=None, evidence=CHECKED, expected=State.INTENT)
    journal.mark_sent(op, before)  # commit B
    mark_as_sent()
    op.asked_at = timezone.now()
    try:
        reply = action.send(client, op, secrets)
    except ElevenLabsError as error:
        journal.record_call(op, client.last_call)
        return _after_error(op, action, error)
    journal.record_call(op, client.last_call)
    return _after_reply(op, action, client, reply)  # commit C


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


def _after_reply(op: Operation, action: Action, client: ElevenLabs, reply: Reply) -> Operation:
    observed = reply.observed
    if reply.object_id and not op.object_id:
        journal.store_id(op, reply.object_id)
    if observed is None and not action.removes:
        op.asked_at = timezone.now()
        try:
            observed = action.read_back(client, op)
        except ElevenLabsError:
            observed = None  # the write was confirmed; the next sync reads the object
    # Without the object there is only the response to the write, which confirmed it.
    verdict = Verdict(State.DONE) if observed is None else action.reconcile(op, observed)
    if verdict.state == State.NOT_APPLIED:
        return journal.leave_unconfirmed(
            op, "ElevenLabs took the request, but its answer shows what was before. It is read back until that is sure."
        )
    if verdict.state == State.DONE:
        verdict = Verdict(State.DONE, success_text(op, action, verdict), verdict.not_kept)
    return journal.finish(op, verdict, observed=observed, evidence=ANSWERED)


def _after_error(op: Operation, action: Action, error: ElevenLabsError) -> Operation:
    op.error = error
    if isinstance(error, NotFound) and action.removes:
        verdict = Verdict(State.DONE, f"{action.success_message(op)} It was already gone at ElevenLabs.")
        return journal.finish(op, verdict, observed=None, evidence=ANSWERED)
    if error.outcome is Outcome.REFUSED:
        explained = action.explain_refusal(op, error)
        fields = [explained.field if explained else "", error.param, *(path for path, _ in error.fields)]
        verdict = Verdict(
            State.REFUSED,
            str(explained or f"{error} Nothing was changed."),
            error_fields=[name for name in dict.fromkeys(fields) if name],
        )
        return journal.finish(op, verdict, observed=None, evidence=ANSWERED)
    if error.outcome is Outcome.NOT_SENT:
        verdict = Verdict(State.NOT_SENT, f"Not sent. {error} Nothing was changed; it is safe to try again.")
        return journal.finish(op, verdict, observed=None, evidence="The request never left this machine.")
    return journal.leave_unconfirmed(
        op, f"{error} ElevenLabs may or may not have done it. Until that is known, it cannot be changed here."
    )


def _advice(error: ElevenLabsError) -> str:
    if isinstance(error, KeyRefused):
        return " An administrator has to look at the key."
    return "" if "Try again" in str(error) else " Try again in a minute."


def success_text(op: Operation, action: Action, verdict: Verdict) -> str:
    op.not_kept = verdict.not_kept
    not_kept = f"ElevenLabs did not keep: {', '.join(verdict.not_kept)}." if verdict.not_kept else ""
    return " ".join(part for part in (action.success_message(op), verdict.message, not_kept) if part)
