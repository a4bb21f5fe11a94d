"""A step of the API check, and what the steps of a run share."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from django.utils import timezone

from agents.models import Agent
from controlplane.audit.justification import ReasonRequired
from controlplane.elevenlabs import Attempt, ElevenLabs, ElevenLabsError, recording
from controlplane.lifecycle.report import EXPECTED, NOT_TRIED, OUTCOMES, UNEXPECTED, Finding, report_data
from controlplane.lifecycle.runner import Runner, Stopped, result_summary
from controlplane.operations.actions import Action
from controlplane.operations.errors import Expired, ResourceLocked
from controlplane.operations.models import Operation, State
from numbers.actions.import_number import TwilioCredentials
from numbers.models import PhoneNumber

SHAPE_A = frozenset({"type", "code", "message", "status"})
Way = Literal["service", "client alone", "read"]


class CannotGoOn(Exception):
    """Something that the following steps depend on is missing."""


@dataclass
class Step:
    """`way`: by a service that the pages use, by the client alone bypassing our own checks, or by reading.

    Status, body and timing are those of the last write that the step requested. `milliseconds` is its time on the
    wire, `took` that of the whole step as a user would wait for it.
    """

    name: str
    title: str
    way: Way
    expected: str
    round: int
    outcome: str = NOT_TRIED
    found: str = ""
    status: int | None = None
    body: str = ""
    trace_id: str = ""
    milliseconds: int | None = None
    took: int | None = None
    requests: int = 0
    writes: int = 0
    operation: int | None = None
    wire: list[Attempt] = field(default_factory=list, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "wire"}

    def conclude(self, is_expected: bool, found: str) -> None:
        self.outcome = EXPECTED if is_expected else UNEXPECTED
        self.found = found

    @property
    def sent(self) -> list[Attempt]:
        """All writes that were sent."""
        return [attempt for attempt in self.wire if attempt.method != "GET"]

    @property
    def detail(self) -> dict[str, Any]:
        """The `detail` of the refusal's body, if it is an object."""
        try:
            detail = json.loads(self.body).get("detail")
        except (ValueError, AttributeError):
            return {}
        return detail if isinstance(detail, dict) else {}

    def observe(self) -> None:
        """Take status and timing from the last write so far."""
        if self.sent:
            write = self.sent[-1]
            self.status, self.body, self.trace_id = write.status, write.body, write.trace_id
            self.milliseconds = round(write.milliseconds)

    def was_refused(self, op: Operation, http_status: int, **detail: str) -> bool:
        """Whether it was refused with this status and these values in its detail."""
        has_detail = all(self.detail.get(name) == value for name, value in detail.items())
        return op.state == State.REFUSED and self.status == http_status and has_detail

    def answer_summary(self, op: Operation) -> str:
        """ "400 (twilio_error, invalid_parameters)." """
        if op.state != State.REFUSED:
            return f"{self.status or 'no answer'}, {op.get_state_display()}."
        codes = ", ".join(dict.fromkeys(str(self.detail[name]) for name in ("status", "code") if name in self.detail))
        return f"{self.status}{f' ({codes})' if codes else ''}."


@dataclass
class Experiment:
    """What the steps of a run share. `agents`, by name, and `line` are set by the steps that create them; a step that
    cannot create its object ends the run."""

    runner: Runner
    phone_number: str
    credentials: TwilioCredentials = field(repr=False)
    listed_within: float = 120.0
    print_line: Callable[[str], object] = str

    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=lambda: {"hot_swap": None, "in_use": "", "after_delete": ""})
    broken_off: str = ""
    agents: dict[str, Agent] = field(default_factory=dict)
    line: PhoneNumber = field(init=False, repr=False)
    import_answered_at: float | None = None  # None: the response was lost

    @property
    def client(self) -> ElevenLabs:
        return self.runner.client

    def run(self, plans: Sequence["Plan"], number: int) -> None:
        """Run one round. Steps that are not reached are reported as not tried. Later rounds are stored only when they
        are complete."""
        steps = [Step(plan.name, plan.title, plan.way, plan.expected, number) for plan in plans]
        self.steps += steps
        for plan, step in zip(plans, steps, strict=True):
            self._carry_out(plan, step)
            if number == 1:
                self.save_progress()
        self.save_progress()

    def _carry_out(self, plan: "Plan", step: Step) -> None:
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
                step.took = round(1000 * (time.monotonic() - started))
                step.requests, step.writes = len(step.wire), len(step.sent)
        self.print_line(f"  {OUTCOMES.get(step.outcome, step.outcome)}: {step.found}")

    def request(self, step: Step, action: Action, credentials: TwilioCredentials | None = None) -> Operation:
        """Request a write that the step is about. What only prepares a step or cleans up after it goes to `runner`."""
        try:
            op = self.runner.request(action, credentials)
        finally:
            step.observe()
        step.operation, step.found = op.pk, result_summary(op)
        return op

    def finding(self, number: int, holds: bool, evidence: str, *, part: bool = False) -> None:
        self.findings.append(Finding(number, holds, evidence, part))

    def expect_refusal(self, step: Step, op: Operation, number: int, http_status: int, **detail: str) -> None:
        """Conclude a step that should be refused with this status, and with these values in a detail of shape A."""
        is_expected = step.was_refused(op, http_status, **detail) and step.detail.keys() >= SHAPE_A
        self.finding(number, is_expected, step.answer_summary(op))
        step.conclude(is_expected, step.found)

    def mark_removed(self, object_id: str) -> None:
        """Note that a step has removed something that this run created."""
        keys = Operation.objects.filter(object_id=object_id).values("key")
        created = self.runner.report.asked.filter(key__in=keys, removed_at=None).exclude(makes="")
        created.update(removed_at=timezone.now())

    def data(self) -> dict[str, Any]:
        """The report without the leftovers, which are known only after the clean-up."""
        facts = self.facts | {"number": self.phone_number, "broken_off": self.broken_off}
        return report_data(self.runner.report, [step.as_dict() for step in self.steps], self.findings, facts)

    def save_progress(self) -> None:
        self.runner.report.data = self.data()
        self.runner.report.save(update_fields=["data"])


Do = Callable[[Experiment, Step], None]


@dataclass(frozen=True)
class Plan:
    """A planned step. `do` fills in the step and adds its findings to the experiment."""

    name: str
    title: str
    way: Way
    expected: str
    do: Do


def planned(name: str, title: str, way: Way, expected: str) -> Callable[[Do], Plan]:
    """Decorator: the function becomes the plan that carries it out."""
    return lambda do: Plan(name, title, way, expected, do)
