"""The whole state of one sandbox, as endpoints receive it."""

from dataclasses import dataclass
from typing import Any

from .calls import CallLog
from .faults import FaultQueue
from .ledger import Cause
from .messages import Request
from .settings import Settings
from .storage import Storage


class SandboxState:
    def __init__(self, state: Storage, started_with: dict[str, Any]) -> None:
        self.state = state
        self.started_with = started_with  # the switches given on the command line, to which a reset returns
        self.settings = Settings.model_validate({**state.recall("settings", {}), **started_with})
        self.faults = FaultQueue()
        self.calls = CallLog()

    def change_settings(self, changes: dict[str, Any]) -> None:
        settings = Settings.model_validate({**self.settings.model_dump(), **changes})
        with self.state.transaction():
            self.state.remember("settings", settings.model_dump())
        self.settings = settings

    def reset(self) -> None:
        self.faults.clear()
        self.calls.clear()
        self.state.empty()
        self.settings = Settings.model_validate(self.started_with)


@dataclass(slots=True)
class Call:
    """One call being processed. `query` and `body` are parsed by the route's models."""

    world: SandboxState
    request: Request
    ids: tuple[str, ...] = ()
    query: Any = None
    body: Any = None
    by: str = "api"

    @property
    def state(self) -> Storage:
        return self.world.state

    @property
    def cause(self) -> Cause:
        return Cause(self.request.method, self.request.path, self.request.trace_id, self.by)
