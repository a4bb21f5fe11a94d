"""How a sync lists and keeps agents. The remote hides archived agents from a plain list, so it is read twice."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone

from agents import store
from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import AgentSummary, ElevenLabs, NotFound
from controlplane.mirror import store as mirror
from controlplane.mirror.models import RemoteObject
from controlplane.mirror.sync import Collection
from controlplane.operations import settle
from controlplane.operations.models import Operation


class Agents(Collection):
    model = Agent
    what = "agents"
    id_field = "agent_id"

    def __init__(self) -> None:
        self._listed_from = timezone.now()

    def listing(self, client: ElevenLabs) -> Iterator[dict[str, Any]]:
        yield from client.all_agents(archived=False)
        yield from client.all_agents(archived=True)

    def keep(self, row: dict[str, Any], known: RemoteObject | None, client: ElevenLabs, cause: Cause) -> bool:
        """Details are fetched only where the listing says that they changed: one call for each agent is too many."""
        summary = AgentSummary.parse(row)
        if isinstance(known, Agent) and not _details_needed(known, summary):
            values = store.summary_values(summary) | {"missing_since": None, "gone_at": None}
            return mirror.save(known, values, cause=cause)
        try:
            data = client.get_agent(summary.agent_id).raw
        except NotFound:
            return False  # deleted since it was listed: the next run will not list it
        if known is not None and known.remote_id in self.touched_since(self._listed_from):
            return False  # by an operation, while this run was under way: it knows better
        before = known.remote_data if known is not None else None
        late = settle.late_cause("agent", summary.agent_id, data, before)
        return store.keep(data, late or cause, summary=summary)

    def probe(self, client: ElevenLabs, remote_id: str, cause: Cause) -> bool:
        return store.keep(client.get_agent(remote_id).raw, cause)

    def bury(self, remote_id: str, cause: Cause) -> bool:
        return store.bury(remote_id, settle.late_cause("agent", remote_id, None) or cause)

    def unlisted(self) -> Iterator[RemoteObject]:
        yield from Agent.objects.filter(gone_at=None)

    def touched_since(self, moment: datetime) -> set[str]:
        self._listed_from = moment
        return Operation.touched_since("agent", moment)


def _details_needed(known: Agent, summary: AgentSummary) -> bool:
    return (
        not known.remote_data
        or known.gone_at is not None
        or known.details_as_of != summary.updated_at_unix_secs
        or (known.name, known.tags, known.archived) != (summary.name, summary.tags, summary.archived)
    )
