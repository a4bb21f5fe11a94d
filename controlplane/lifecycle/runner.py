"""Requests a write for a step: records it, runs it, waits for its result."""

import uuid
from collections.abc import Callable
from threading import Event
from typing import Any, TypedDict

from django.contrib.auth.models import User
from django.db import transaction

from controlplane.audit.justification import Justification
from controlplane.elevenlabs import ElevenLabs
from controlplane.lifecycle.models import Asked, Report
from controlplane.operations import journal
from controlplane.operations.actions import Verdict
from controlplane.operations.models import Operation, State
from controlplane.operations.settle import settle

POLL_INTERVAL_S = 2.0  # seconds between two looks at what is not confirmed


class Stopped(Exception):
    """Somebody asked to stop: nothing further is begun."""


class WriteContext(TypedDict):
    """What every service is told beside the wish itself."""

    key: str
    actor: User | None
    justification: Justification


class Runner:
    """Asks in the name of one run. `stopping` is set by Ctrl-C; a request that is under way is waited for."""

    def __init__(
        self, report: Report, client: ElevenLabs, *, actor: User | None, justification: Justification, stopping: Event
    ) -> None:
        self.report = report
        self.client = client
        self.actor = actor
        self.justification = justification
        self.stopping = stopping

    def ask(self, deed: Callable[[WriteContext], Operation], *, makes: str = "", name: str = "") -> Operation:
        """`deed` calls a service or runs a probe; `makes` says what there is to clean up if it is done."""
        with transaction.atomic(durable=True):
            asked = Asked.objects.create(report=self.report, key=str(uuid.uuid4()), makes=makes, name=name)
        return self.decided(deed({"key": asked.key, "actor": self.actor, "justification": self.justification}))

    def decided(self, op: Operation) -> Operation:
        """Where the answer was lost: read back until it is known, or until somebody asks to stop."""
        while op.is_unconfirmed and not self.stopping.is_set():
            op = settle(op, self.client)
            if op.is_unconfirmed:
                self.stopping.wait(POLL_INTERVAL_S)
        return op

    def pause(self, seconds: float) -> None:
        if self.stopping.wait(seconds):
            raise Stopped


def close_abandoned(op: Operation) -> Operation:
    """An intent whose process is dead, which only the holder of the run's lock knows: nothing was sent."""
    if op.state != State.INTENT:
        return op
    verdict = Verdict(State.NOT_SENT, "Not sent. The process that was to send it ended first.")
    return journal.finish(op, verdict, observed=None, evidence="No request was recorded.", expected=State.INTENT)


def result_summary(op: Operation) -> str:
    """What became of it, for the report."""
    return op.message or f"It is {op.get_state_display()}."


def requested_ids(report: Report, makes: str) -> set[str]:
    """The ids of everything of this sort that a run's own operations made."""
    keys = report.asked.filter(makes=makes).values_list("key", flat=True)
    found: Any = Operation.objects.filter(key__in=list(keys)).exclude(object_id="").values_list("object_id", flat=True)
    return set(found)
