"""The run as a list of steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from agents.models import Agent
from controlplane.audit.justification import ReasonRequired
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, recording
from controlplane.lifecycle.assumptions import Finding
from controlplane.lifecycle.models import Asked
from controlplane.lifecycle.removal import Leftover, remove
from controlplane.lifecycle.runner import Runner, Stopped, result_summary
from controlplane.lifecycle.step import OUTCOMES, Step, Way
from controlplane.operations.actions import Action
from controlplane.operations.errors import Expired, ResourceLocked
from controlplane.operations.models import Operation
from numbers.actions.import_number import TwilioCredentials
from numbers.models import PhoneNumber


class CannotGoOn(Exception):
    """Something that the following steps depend on is missing."""


@dataclass(frozen=True)
class Plan:
    """One planned step. `do` fills in the step and reports its findings to the experiment."""

    name: str
    title: str
    way: Way
    expected: str
    do: Callable[["Experiment", Step], None]

    def step(self, number: int) -> Step:
        return Step(self.name, self.title, self.way, self.expected, number)


@dataclass
class Experiment:
    """State shared by the steps. The agents and the number are set by the steps that create them."""

    runner: Runner
    phone_number: str
    label: str
    credentials: TwilioCredentials = field(repr=False)
    listed_within: float = 120.0
    print_line: Callable[[str], object] = str
    after_step: Callable[[], None] = lambda: None

    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    broken_off: str = ""
    support: Agent | None = None
    sales: Agent | None = None
    line: PhoneNumber | None = None
    accepted: float = 0.0  # when the import was answered, or found if its response was lost
    told_when: bool = False  # whether the import was answered

    @property
    def client(self) -> ElevenLabs:
        return self.runner.client

    def ask(
        self,
        step: Step,
        action: Action,
        *,
        makes: str = "",
        name: str = "",
        credentials: TwilioCredentials | None = None,
    ) -> Operation:
        op = self.runner.ask(action, makes=makes, name=name, credentials=credentials)
        step.operation = op.pk
        step.found = result_summary(op)
        return op

    def finding(self, number: int, holds: bool, evidence: str, *, part: bool = False) -> None:
        self.findings.append(Finding(number, holds, evidence, part))

    def run(self, plans: list[Plan], number: int) -> None:
        """Run one round. Steps that are not reached are reported as not tried."""
        steps = [plan.step(number) for plan in plans]
        self.steps += steps
        for plan, step in zip(plans, steps, strict=True):
            self._carry_out(plan, step)
            self.after_step()

    def _carry_out(self, plan: Plan, step: Step) -> None:
        if self.runner.stopping.is_set():
            raise Stopped
        self.print_line(f"{step.title} …")
        started = time.monotonic()
        with recording() as step.wire:
            try:
                plan.do(self, step)
            except (ElevenLabsError, ResourceLocked, Expired, ReasonRequired) as error:
                step.conclude(False, str(error) or "It took too long to check.")
            except CannotGoOn as error:
                step.conclude(False, str(error))
                raise
            finally:
                step.ends(time.monotonic() - started)
        self.print_line(f"  {OUTCOMES.get(step.outcome, step.outcome)}: {step.found}")

    def gone(self, object_id: str) -> None:
        """Mark something that this run created as removed by a step."""
        requested = self.runner.report.asked.filter(removed_at=None).exclude(makes="")
        creating = Operation.objects.filter(key__in=list(requested.values_list("key", flat=True)), object_id=object_id)
        requested.filter(key__in=list(creating.values_list("key", flat=True))).update(removed_at=timezone.now())

    def take_back(self, op: Operation) -> Leftover | None:
        """Remove at once what should not have been created."""
        asked = Asked.objects.get(key=op.key)
        return remove(self.runner, asked, self.print_line)
