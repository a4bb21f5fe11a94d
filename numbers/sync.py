"""How a sync lists numbers, and the sync of everything."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Prefetch, QuerySet

from agents.models import Agent
from agents.sync import Agents
from controlplane.elevenlabs import BadShape, ElevenLabs, Page, connect
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.models import RemoteObject, SyncRun
from controlplane.mirror.runs import Watcher
from controlplane.mirror.source import Diff, Observation, Reference, ResourceSource
from controlplane.mirror.sync import sync
from controlplane.mirror.upsert import digest
from numbers import mirror
from numbers.models import PhoneNumber

log = logging.getLogger(__name__)


class Numbers(ResourceSource):
    model = PhoneNumber
    what = "numbers"
    id_field = "phone_number_id"

    def begin(self, full: bool) -> None:
        self._agents: dict[str, Agent | None] = {}
        self._parsed: dict[str, RemoteNumber] = {}  # the batch that is being stored, so that each is parsed once
        numbers = PhoneNumber.objects.existing().filter(missing_since=None).exclude(listed_at=None)
        numbers = numbers.exclude(agent=None, bound_to__gt="")  # the agent could not be read when it was stored
        # One query for all: one per page costs five times as much, just while the next page is being read.
        self._stored = dict(numbers.values_list("remote_id", "digest").iterator())

    def listings(self, client: ElevenLabs) -> Sequence[Iterator[Page]]:
        return [client.number_pages()]

    def diff(self, rows: Mapping[str, dict[str, Any]]) -> Diff:
        # Not a set difference, which would iterate over all stored numbers for each page.
        stored = self._stored
        return Diff(
            {key for key, row in rows.items() if key not in stored or stored[key] != (digest(row) or None)}, set()
        )

    def details(self, client: ElevenLabs, remote_id: str) -> dict[str, Any]:
        return client.get_number(remote_id).raw

    def references(self, seen: Sequence[Observation]) -> Sequence[Reference]:
        """The agents to which these numbers are assigned, and which were not listed."""
        names = {}
        self._parsed = {}
        for observation in seen:
            try:
                number = self._parsed[observation.remote_id] = RemoteNumber.parse(observation.data)
            except BadShape:
                continue  # quarantined when it is stored
            if number.agent_id and number.agent_id not in self._agents:
                names[number.agent_id] = (number.assigned_agent and number.assigned_agent.agent_name) or ""
        known = Agent.objects.defer("remote_data").filter(remote_id__in=names)
        self._agents |= {agent.remote_id: agent for agent in known}
        agents = Agents()
        return [Reference(agents, agent_id, name) for agent_id, name in names.items() if agent_id not in self._agents]

    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        assert isinstance(row, PhoneNumber)  # noqa: S101 - for the type checker
        number = self._parsed.get(seen.remote_id) or RemoteNumber.parse(seen.data)
        agent = self._agent(number.agent_id) if number.agent_id else None
        return mirror.row_values(row, number, agent=agent, listed=seen.listed is not None)

    def _agent(self, agent_id: str) -> Agent | None:
        """None if it could not be read; the number is stored all the same, with the agent's id in `bound_to`."""
        if agent_id not in self._agents:
            self._agents[agent_id] = Agent.objects.defer("remote_data").filter(remote_id=agent_id).first()
        return self._agents[agent_id]

    def rows(self) -> QuerySet[PhoneNumber]:
        # No join: PostgreSQL locks the newest version of a row, but joins with the version from before it had to wait.
        return PhoneNumber.objects.prefetch_related(Prefetch("agent", Agent.objects.defer("remote_data")))

    def gone_values(self) -> dict[str, Any]:
        return mirror.GONE_VALUES

    def listable(self) -> QuerySet[PhoneNumber]:
        return PhoneNumber.objects.existing().exclude(listed_at=None).order_by("pk")


def sync_all(
    *,
    full: bool = False,
    requested_by: User | None = None,
    client: ElevenLabs | None = None,
    watch: Watcher | None = None,
) -> SyncRun | None:
    """Run one sync of agents, then numbers. None if another run is running."""
    return sync([Agents(), Numbers()], client or connect(), full=full, requested_by=requested_by, watch=watch)
