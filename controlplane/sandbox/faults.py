"""Scripted faults, matched to calls in order."""

import random
import threading
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from .messages import Json, Request

Kind = Literal[
    "status",
    "hang",
    "pause",
    "reset",
    "drip",
    "garbage",
    "not_http",
    "empty",
    "html",
    "truncate",
    "edit",
    "huge",
    "gzip_bomb",
]


class Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: str = "*"
    path: str = "*"  # shell pattern for the path
    query: str = ""  # if given: must occur in the query text, e.g. "archived=true"
    fault: Kind
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    body: Any = None
    raw: Base64Bytes | None = None  # a body that is not JSON, in base64; takes precedence over `body`
    headers: dict[str, str] = {}
    # before: nothing is applied; after: the write is applied first; late: applied `late_seconds` later on the sandbox's
    # clock, although the client gets an error now.
    when: Literal["before", "after", "late"] = "before"
    late_seconds: Annotated[float, Field(ge=0)] = 30.0
    times: Annotated[int, Field(ge=1)] = 1
    skip: Annotated[int, Field(ge=0)] = 0
    rate: Annotated[float, Field(gt=0, le=1)] = 1.0  # below 1: applies to that share of the matching calls
    seconds: Annotated[float, Field(ge=0)] | None = None  # hang, pause: maximum; drip: between two bytes
    size: Annotated[int, Field(ge=1)] | None = None  # huge, gzip_bomb: decoded bytes

    def matches(self, request: Request) -> bool:
        return (
            self.method in ("*", request.method)
            and fnmatchcase(request.path, self.path)
            and (not self.query or self.query in request.query_text)
        )


class FaultQueue:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.generation = 0
        self.waiting: list[Fault] = []
        self.dice = random.Random(1)  # noqa: S311 - reproducible in every run

    def add(self, faults: list[Fault]) -> None:
        with self.changed:
            self.waiting += faults

    def clear(self) -> None:
        """Discard the script, and release every call that a fault holds."""
        with self.changed:
            self.waiting = []
            self.generation += 1
            self.dice = random.Random(1)  # noqa: S311
            self.changed.notify_all()

    def take(self, request: Request) -> Fault | None:
        if not self.waiting:
            return None
        with self.changed:
            for index, fault in enumerate(self.waiting):
                if not fault.matches(request) or (fault.rate < 1 and self.dice.random() >= fault.rate):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if not fault.times:
                    del self.waiting[index]
                return fault
        return None

    def held(self, seconds: float, generation: int) -> bool:
        """Wait. True if released before the time was over."""
        with self.changed:
            return self.changed.wait_for(lambda: self.generation != generation, timeout=seconds)

    def report(self) -> list[Json]:
        with self.changed:
            return [fault.model_dump(mode="json") for fault in self.waiting]
