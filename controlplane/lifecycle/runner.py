"""Requests a write for a step: records it, runs it, waits for its result."""

import uuid
from threading import Event
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from controlplane.audit.justification import Justification
from controlplane.elevenlabs import ElevenLabs
from controlplane.lifecycle.models import Asked, Report
from controlplane.operations import outcome
from controlplane.operations.actions import Action, Verdict, action_of
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import Evidence, Operation, State
from controlplane.operations.settle import settle
from numbers.actions.import_number import ImportNumber, TwilioCredentials, execute_import

POLL_INTERVAL_S = 2.0  # seconds between two polls of an unconfirmed operation


class Stopped(Exception):
    """The user asked to stop: no further step is started."""


class Runner:
    """Requests writes on behalf of one run. `stopping` is set by Ctrl-C; a request in progress is waited for."""

    def __init__(
        self, report: Report, client: ElevenLabs, *, actor: User | None, justification: Justification, stopping: Event
    ) -> None:
        self.report = report
        self.client = client
        self.actor = actor
        self.justification = justification
        self.stopping = stopping

    def ask(
        self, action: Action, *, makes: str = "", name: str = "", credentials: TwilioCredentials | None = None
    ) -> Operation:
        """Record a write, run it, and wait for its result. `makes` names what has to be cleaned up if it succeeds;
        an import needs `credentials`."""
        with transaction.atomic(durable=True):
            asked = Asked.objects.create(report=self.report, key=str(uuid.uuid4()), makes=makes, name=name)
        context = ActionContext(key=asked.key, actor=self.actor, justification=self.justification)
        if credentials is not None and isinstance(action, ImportNumber):
            return self.decided(execute_import(action, credentials, context))
        return self.decided(execute(action, context))

    def decided(self, op: Operation) -> Operation:
        """If the response was lost, read back until the result is known or the user asks to stop."""
        while op.is_unconfirmed and not self.stopping.is_set():
            op = settle(op, self.client)
            if op.is_unconfirmed:
                self.stopping.wait(POLL_INTERVAL_S)
        return op

    def pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise Stopped


def close_abandoned(op: Operation) -> Operation:
    """Close an intent whose process is dead: nothing was sent. Only the holder of the run's lock knows that it is
    dead."""
    if op.state != State.INTENT:
        return op
    verdict = Verdict(State.NOT_SENT, "Not sent. The process that was to send it ended first.")
    return outcome.finish(op, action_of(op), verdict, Evidence.NOT_RECORDED, since=State.INTENT)


def result_summary(op: Operation) -> str:
    """The operation's result, for the report."""
    return op.message or f"It is {op.get_state_display()}."


def requested_ids(report: Report, makes: str) -> set[str]:
    """The ids of all objects of this type that the run's own operations created."""
    keys = report.asked.filter(makes=makes).values_list("key", flat=True)
    found: Any = Operation.objects.filter(key__in=list(keys)).exclude(object_id="").values_list("object_id", flat=True)
    return set(found)
