"""How a sync lists and keeps numbers, and the run over everything."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from agents import store as agent_store
from agents.models import Agent
from agents.sync import Agents
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, NotFound, connect
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.models import RemoteObject, SyncRun
from controlplane.mirror.sync import STOPPING, Collection, sync
from controlplane.operations import settle
from controlplane.operations.models import Operation
from numbers import store
from numbers.models import PhoneNumber

log = logging.getLogger(__name__)


class Numbers(Collection):
    model = PhoneNumber
    what = "numbers"
    id_field = "phone_number_id"

    def __init__(self) -> None:
        self._agents: dict[str, Agent | None] | None = None
        self._listed_from = timezone.now()

    def listing(self, client: ElevenLabs) -> Iterator[dict[str, Any]]:
        return client.all_numbers()

    def keep(self, row: dict[str, Any], known: RemoteObject | None, client: ElevenLabs, cause: Cause) -> bool:
        number = RemoteNumber.parse(row)
        known_as = number.phone_number_id
        mirrored = known if isinstance(known, PhoneNumber) else PhoneNumber(remote_id=known_as)
        agent, before = self._agent(number, client, cause), mirrored.remote_data
        differs = before != number.raw or mirrored.gone_at is not None
        if known is not None and differs and known.remote_id in self.touched_since(self._listed_from):
            return False  # by an operation, while this run was under way: it knows better
        if before != number.raw and (late := settle.late_cause("number", known_as, number.raw, before)):
            cause = late
        return store.keep_row(mirrored, number, cause, agent=agent, listed=True)

    def probe(self, client: ElevenLabs, remote_id: str, cause: Cause) -> bool:
        return store.keep(client.get_number(remote_id).raw, cause)

    def bury(self, remote_id: str, cause: Cause) -> bool:
        return store.bury(remote_id, settle.late_cause("number", remote_id, None) or cause)

    def unlisted(self) -> Iterator[RemoteObject]:
        yield from PhoneNumber.objects.here().exclude(listed_at=None)

    def touched_since(self, moment: datetime) -> set[str]:
        self._listed_from = moment
        return Operation.touched_since("number", moment)

    def _agent(self, number: RemoteNumber, client: ElevenLabs, cause: Cause) -> Agent | None:
        """The row of the agent that a number is bound to; one that the listing did not show is looked up."""
        if number.agent_id is None:
            return None
        if self._agents is None:
            self._agents = {agent.remote_id: agent for agent in Agent.objects.all()}
        if number.agent_id not in self._agents:
            name = (number.assigned_agent.agent_name if number.assigned_agent else None) or ""
            self._agents[number.agent_id] = _look_up(client, number.agent_id, name, cause)
        return self._agents[number.agent_id]


def _look_up(client: ElevenLabs, agent_id: str, name: str, cause: Cause) -> Agent | None:
    """None where the agent cannot be read: the number is kept all the same, with the id that it is bound to."""
    try:
        agent_store.keep(client.get_agent(agent_id).raw, cause)
    except NotFound:
        agent_store.keep_tombstone(agent_id, name, cause)
    except STOPPING:
        raise
    except ElevenLabsError as error:
        log.warning("An agent that a number is bound to could not be read: %s", error)
        return None
    return Agent.objects.filter(remote_id=agent_id).first()


def sync_all(*, requested_by: User | None = None, client: ElevenLabs | None = None) -> SyncRun | None:
    """One run over agents and numbers, agents first. None if another run is under way."""
    return sync([Agents(), Numbers()], client or connect(), requested_by=requested_by)
