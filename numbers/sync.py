"""How a sync lists numbers, and the sync of everything."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from agents import mirror as agent_mirror
from agents.models import Agent
from agents.sync import Agents
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, NotFound, Page, connect
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.models import RemoteObject, SyncRun
from controlplane.mirror.outages import STOPPING
from controlplane.mirror.runs import Watcher
from controlplane.mirror.source import Diff, Explain, Observation, ResourceSource
from controlplane.mirror.sync import sync
from controlplane.mirror.upsert import digest
from controlplane.mirror.writer import MirrorWriter
from controlplane.operations import settle
from controlplane.operations.models import Operation
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

    def prepare(self, seen: Sequence[Observation], writer: MirrorWriter) -> None:
        """Load the agents to which these numbers are assigned. An agent that was not listed is read by its id."""
        names = {}
        self._parsed = {}
        for observation in seen:
            try:
                number = self._parsed[observation.remote_id] = RemoteNumber.parse(observation.data)
            except BadShape:
                continue  # quarantined when it is stored
            if number.agent_id and number.agent_id not in self._agents:
                names[number.agent_id] = (number.assigned_agent and number.assigned_agent.agent_name) or ""
        known = {agent.remote_id: agent for agent in Agent.objects.defer("remote_data").filter(remote_id__in=names)}
        for agent_id, name in names.items():
            self._agents[agent_id] = known.get(agent_id) or _look_up(writer, agent_id, name)

    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        assert isinstance(row, PhoneNumber)  # noqa: S101 - for the type checker
        number = self._parsed.get(seen.remote_id) or RemoteNumber.parse(seen.data)
        agent = self._agents.get(number.agent_id) if number.agent_id else None
        return mirror.row_values(row, number, agent=agent, listed=seen.listed is not None)

    def rows(self) -> QuerySet[PhoneNumber]:
        # No join: PostgreSQL locks the newest version of a row, but joins with the version from before it had to wait.
        return PhoneNumber.objects.prefetch_related(Prefetch("agent", Agent.objects.defer("remote_data")))

    def gone_values(self) -> dict[str, Any]:
        return mirror.GONE_VALUES

    def listable(self) -> QuerySet[PhoneNumber]:
        return PhoneNumber.objects.existing().exclude(listed_at=None).order_by("pk")

    def touched_since(self, moment: datetime) -> set[str]:
        return Operation.touched_since("number", moment)

    def last_writes(self, remote_ids: Iterable[str]) -> dict[str, datetime]:
        return Operation.last_ended("number", remote_ids)

    def explain(self) -> Explain:
        return settle.late_effects("number")


def _look_up(writer: MirrorWriter, agent_id: str, name: str) -> Agent | None:
    """Read and store the agent. None if that fails; the number is stored anyway, with the agent's id in `bound_to`."""
    asked_at = timezone.now()
    try:
        agent = writer.client.get_agent(agent_id).raw
    except NotFound:
        with transaction.atomic():
            agent_mirror.mark_gone_with_name(agent_id, name, writer.cause)
            writer.lease.renew()
    except STOPPING:
        raise
    except ElevenLabsError as error:
        log.warning("An agent that a number is bound to could not be read: %s", error)
        return None
    else:
        replace(writer, collection=Agents()).keep([Observation(agent_id, agent, asked_at)])
    return Agent.objects.defer("remote_data").filter(remote_id=agent_id).first()


def sync_all(
    *,
    full: bool = False,
    requested_by: User | None = None,
    client: ElevenLabs | None = None,
    watch: Watcher | None = None,
) -> SyncRun | None:
    """Run one sync of agents, then numbers. None if another run is running."""
    return sync([Agents(), Numbers()], client or connect(), full=full, requested_by=requested_by, watch=watch)
