"""Requests writes for a run: records each, carries it out and waits for its result."""

import uuid
from dataclasses import dataclass
from threading import Event

from django.contrib.auth.models import User
from django.db import transaction

from agents.actions import CreateAgent
from controlplane.audit.justification import Justification
from controlplane.elevenlabs import Agent, ElevenLabs, NotFound
from controlplane.lifecycle.models import Asked, Report
from controlplane.operations.actions import Action
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import Operation
from controlplane.operations.settle import settle
from numbers.actions.import_number import ImportNumber, TwilioCredentials, execute_import

POLL_INTERVAL_S = 2.0  # between two polls of an unconfirmed operation


class Stopped(Exception):
    """The user asked to stop: no further step is started."""


@dataclass
class Runner:
    """Requests writes on behalf of one run. `stopping` is set by Ctrl-C; a request in progress is waited for."""

    report: Report
    client: ElevenLabs
    actor: User | None
    justification: Justification
    stopping: Event

    def request(self, action: Action, credentials: TwilioCredentials | None = None) -> Operation:
        """Record a write and what it may create, carry it out, and wait for its result."""
        makes, name = _created_by(action)
        with transaction.atomic(durable=True):
            asked = Asked.objects.create(report=self.report, key=str(uuid.uuid4()), makes=makes, name=name)
        context = ActionContext(key=asked.key, actor=self.actor, justification=self.justification)
        if isinstance(action, ImportNumber) and credentials is not None:
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


def _created_by(action: Action) -> tuple[str, str]:
    """(`Asked.makes`, `Asked.name`) of what has to be removed if the action succeeds."""
    if isinstance(action, CreateAgent):
        return "agent", action.new_name
    if isinstance(action, ImportNumber):
        return "number", action.phone_number
    return "", ""


def result_summary(op: Operation) -> str:
    """The operation's result, for the report."""
    return op.message or f"It is {op.get_state_display()}."


def find_agent(client: ElevenLabs, agent_id: str) -> Agent | None:
    try:
        return client.get_agent(agent_id)
    except NotFound:
        return None
