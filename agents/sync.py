"""How a sync lists agents. ElevenLabs omits archived agents from a list by default, so it is read twice."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet

from agents import mirror
from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import AgentSummary, BadShape, ElevenLabs, Page
from controlplane.mirror.models import RemoteObject
from controlplane.mirror.source import Diff, Observation, ResourceSource

# Listed values that also belong to the details: if one of them differs, the details are fetched.
FIELDS_FROM_DETAILS = ["name", "tags", "archived", "details_as_of"]
# Values for which the listing is enough.
LISTED_FIELDS = ["last_call_at", "missing_since"]


class Agents(ResourceSource):
    model = Agent
    what = "agents"
    id_field = "agent_id"

    def __init__(self) -> None:
        self._refreshed: set[str] = set()  # details fetched although the listing shows no change

    def begin(self, full: bool) -> None:
        agents = Agent.objects.filter(gone_at=None).exclude(digest="")
        rows = agents.values_list("remote_id", "details_read_at", *FIELDS_FROM_DETAILS, *LISTED_FIELDS)
        self._known = {
            agent_id: ((*stored, as_of), (last_call, missing))
            for agent_id, read_at, *stored, as_of, last_call, missing in rows
            if _details_are_current(as_of, read_at)
        }
        # Details can change without a trace in the listing, so each run also refreshes the oldest few.
        share = 1.0 if full else settings.SYNC_INTERVAL / settings.DETAILS_REFRESH
        oldest = agents.order_by(F("details_read_at").asc(nulls_first=True), "pk").values_list("remote_id", flat=True)
        self._refresh = set(oldest[: ceil(share * len(rows))])

    def listings(self, client: ElevenLabs) -> Sequence[Iterator[Page]]:
        return [client.agent_pages(archived=False), client.agent_pages(archived=True)]

    def diff(self, rows: Mapping[str, dict[str, Any]]) -> Diff:
        """Details cost one request per agent, so they are fetched only if the listing shows that they changed."""
        as_listed, need_details = set(), set()
        for agent_id, row in rows.items():
            try:
                summary = AgentSummary.parse(row)
            except BadShape:
                as_listed.add(agent_id)  # parsed again when it is stored, and skipped there with the reason
                continue
            listed = (summary.name, summary.tags, summary.archived, summary.updated_at_unix_secs)
            known, known_listed = self._known.get(agent_id, (None, None))
            if known != listed or agent_id in self._refresh:
                need_details.add(agent_id)
                if known == listed:
                    self._refreshed.add(agent_id)
            elif known_listed != (mirror.from_unix(summary.last_call_time_unix_secs), None):
                as_listed.add(agent_id)
        return Diff(as_listed, need_details)

    def details(self, client: ElevenLabs, remote_id: str) -> dict[str, Any]:
        return client.get_agent(remote_id).raw

    def record_details_read(self, remote_ids: Sequence[str], asked_at: datetime) -> None:
        Agent.objects.filter(remote_id__in=remote_ids).update(details_read_at=asked_at)

    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        if seen.listed is None:
            return mirror.row_values(RemoteAgent.parse(seen.data))
        summary = AgentSummary.parse(seen.listed)
        if seen.data is not seen.listed:
            values = mirror.row_values(RemoteAgent.parse(seen.data), summary)
            return values | {"details_read_at": seen.asked_at} if row._state.adding else values
        return mirror.summary_row_values(summary) | {"missing_since": None}

    def store_deleted(self, remote_id: str, name: str, cause: Cause) -> None:
        """Then the number that names it is recognized as an orphan."""
        mirror.mark_gone_with_name(remote_id, name, cause)

    def listable(self) -> QuerySet[Agent]:
        return Agent.objects.filter(gone_at=None).order_by("pk")

    def known_as_of(self, row: RemoteObject, complete: datetime | None) -> datetime | None:
        """A change that the listing does not show may have happened at any time since the details were read."""
        assert isinstance(row, Agent)  # noqa: S101 - for the type checker
        return row.details_read_at if row.remote_id in self._refreshed else complete


def _details_are_current(as_of: int | None, read_at: datetime | None) -> bool:
    """False if the details may be older than the listing's `updated_at_unix_secs` suggests.

    That timestamp has a resolution of one second, so two changes within one second look the same. Details that may
    have been read between the two, or that were stored by an operation, are fetched again.
    """
    return as_of is None or (read_at is not None and read_at.timestamp() >= as_of + 1)
