"""One step and its result."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from controlplane.elevenlabs import Attempt
from controlplane.lifecycle.assumptions import NOT_TRIED
from controlplane.operations.models import Operation, State

AS_ASSUMED, OTHERWISE = "as assumed", "otherwise"  # as stored in reports
OUTCOMES = {AS_ASSUMED: "as expected", OTHERWISE: "unexpected"}  # as shown
SHAPE_A = frozenset({"type", "code", "message", "status"})
Way = Literal["service", "client alone", "read"]


@dataclass
class Step:
    """`milliseconds` is the time of the write on the wire, `took` that of the whole step as a user would wait for it.
    `way`: by a service that the pages use, by the client alone bypassing our own checks, or by reading."""

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

    def conclude(self, good: bool, words: str) -> None:
        self.outcome = AS_ASSUMED if good else OTHERWISE
        self.found = words

    @property
    def write(self) -> Attempt | None:
        """The last write that was sent."""
        return next((attempt for attempt in reversed(self.wire) if attempt.method != "GET"), None)

    @property
    def detail(self) -> dict[str, Any]:
        """The `detail` of the refusal's body, if it is an object."""
        try:
            detail = json.loads(self.body).get("detail")
        except (ValueError, AttributeError):
            return {}
        return detail if isinstance(detail, dict) else {}

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "wire"}

    def observe(self) -> None:
        """Take status and timing from the last write so far, which is the subject of the step. Later writes only clean
        up."""
        if (write := self.write) is not None:
            self.status, self.body, self.trace_id = write.status, write.body, write.trace_id
            self.milliseconds = round(write.milliseconds)

    def ends(self, took: float) -> None:
        if self.status is None:
            self.observe()
        self.took = round(1000 * took)
        self.requests = len(self.wire)
        self.writes = sum(attempt.method != "GET" for attempt in self.wire)

    def was_refused(self, op: Operation, http: int, *, shape_a: bool = True, **values: str) -> bool:
        """Whether it was refused with this status and these values in its detail. With `shape_a`, the detail must also
        have the four names of shape A."""
        if op.state != State.REFUSED or self.status != http:
            return False
        has_shape = not shape_a or self.detail.keys() >= SHAPE_A
        return has_shape and all(self.detail.get(name) == value for name, value in values.items())

    def answered(self, op: Operation) -> str:
        """ "400 (twilio_error, invalid_parameters)." """
        if op.state != State.REFUSED:
            return f"{self.status or 'no answer'}, {op.get_state_display()}."
        codes = ", ".join(dict.fromkeys(str(self.detail[name]) for name in ("status", "code") if name in self.detail))
        return f"{self.status}{f' ({codes})' if codes else ''}."
