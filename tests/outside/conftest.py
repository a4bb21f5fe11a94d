"""A mirrored workspace with methods for changes in the ElevenLabs console."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User

from agents.models import Agent
from controlplane.mirror.models import OutsideChange
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.clock import Clock
from tests.operations.conftest import clock
from tests.operations.writes import agent, number

__all__ = ["clock"]


@dataclass
class Workspace:
    """Support Bot answers the line and Sales Bot has no number. Ada decides about external changes."""

    clock: Clock
    ada: User
    support: Agent
    sales: Agent
    line: PhoneNumber
    keys: list[str] = field(default_factory=lambda: [f"key {at}" for at in range(9, 0, -1)])

    def console(self, action: str, **details: Any) -> None:
        self.clock.passes(2)
        self.clock.remote.console(action, **details)

    def sync(self) -> None:
        self.clock.passes(2)
        run = sync_all()
        assert run is not None
        assert run.state == run.State.COMPLETE, run.problem

    def found(self, action: str, **details: Any) -> OutsideChange:
        """Change this in the console, and return the external change that the next sync records."""
        self.console(action, **details)
        self.sync()
        return OutsideChange.objects.select_related("entry").get(state=OutsideChange.State.OPEN)

    def key(self) -> str:
        return self.keys.pop()

    def at_remote(self) -> dict[str, Any]:
        return self.clock.remote.get(f"/v1/convai/phone-numbers/{self.line.remote_id}")

    def agent_at_remote(self) -> dict[str, Any]:
        return self.clock.remote.get(f"/v1/convai/agents/{self.support.remote_id}")


@pytest.fixture
def workspace(db, clock: Clock) -> Workspace:
    support, sales = agent(clock), agent(clock, "Sales Bot")
    created = Workspace(clock, User.objects.create(username="ada"), support, sales, number(clock, support))
    created.sync()
    assert not OutsideChange.objects.exists()
    return created
