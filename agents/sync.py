"""How a sync lists agents. ElevenLabs leaves archived agents out of a plain list, so it is read twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet

from agents import mirror
from agents.models import Agent
from controlplane.elevenlabs import AgentSummary, BadShape, ElevenLabs, Page
from controlplane.mirror.models import RemoteObject
from controlplane.mirror.source import Diff, Explain, Observation, ResourceSource
from controlplane.operations import settle
from controlplane.operations.models import Operation

# What a line of the list is compared with: where the first differ, details do too; the others it tells whole.
FIELDS_FROM_DETAILS = ["name", "tags", "archived", "details_as_of"]
DETAIL_FIELDS = ["last_call_at", "missing_since"]


class Agents(ResourceSource):
    model = Agent
    what = "agents"
    id_field = "agent_id"

    def __init__(self) -> None:
        self._unsaid: set[str] = set()  # read although the list tells no change

    def begin(self, full: bool) -> None:
        here = Agent.objects.filter(gone_at=None).exclude(digest="")
        rows = here.values_list("remote_id", "details_read_at", *FIELDS_FROM_DETAILS, *DETAIL_FIELDS)
        self._known = {
            agent_id: ((*shown, as_of), (last_call, missing))
            for agent_id, read_at, *shown, as_of, last_call, missing in rows
            if _is_sure(as_of, read_at)
        }
        # Details may move without a trace in the list: each agent's are read again now and then, a few in each run.
        share = 1.0 if full else settings.SYNC_INTERVAL / settings.DETAILS_REFRESH
        oldest = here.order_by(F("details_read_at").asc(nulls_first=True), "pk").values_list("remote_id", flat=True)
        self._refresh = set(oldest[: ceil(share * len(rows))])

    def listings(self, client: ElevenLabs) -> Sequence[Iterator[Page]]:
        return [client.agent_pages(archived=False), client.agent_pages(archived=True)]

    def differing(self, rows: Mapping[str, dict[str, Any]]) -> Diff:
        """Details are fetched only where the listing says that they changed: one call for each agent is too many."""
        as_listed, to_be_read = set(), set()
        for agent_id, row in rows.items():
            try:
                summary = AgentSummary.parse(row)
            except BadShape:
                as_listed.add(agent_id)  # where it is read again, and left out with the reason
                continue
            shown = (summary.name, summary.tags, summary.archived, summary.updated_at_unix_secs)
            known, besides = self._known.get(agent_id, (None, None))
            if known != shown or agent_id in self._refresh:
                to_be_read.add(agent_id)
                if known == shown:
                    self._unsaid.add(agent_id)
            elif besides != (mirror.moment(summary.last_call_time_unix_secs), None):
                as_listed.add(agent_id)
        return Diff(as_listed, to_be_read)

    def details(self, client: ElevenLabs, remote_id: str) -> dict[str, Any]:
        return client.get_agent(remote_id).raw

    def details_were_read(self, remote_ids: Sequence[str], asked_at: datetime) -> None:
        Agent.objects.filter(remote_id__in=remote_ids).update(details_read_at=asked_at)

    def values(self, row: RemoteObject, seen: Observation) -> dict[str, Any]:
        if seen.listed is None:
            return mirror.row_values(seen.data)
        summary = AgentSummary.parse(seen.listed)
        if seen.data is not seen.listed:
            found = mirror.row_values(seen.data, summary)
            return found | {"details_read_at": seen.asked_at} if row._state.adding else found
        return mirror.summary_row_values(summary) | {"missing_since": None}

    def listable(self) -> QuerySet[Agent]:
        return Agent.objects.filter(gone_at=None).order_by("pk")

    def known_as_of(self, row: RemoteObject, complete: datetime | None) -> datetime | None:
        """What its line in the list does not tell may have changed at any time since its details were read."""
        assert isinstance(row, Agent)  # noqa: S101 - for the type checker
        return row.details_read_at if row.remote_id in self._unsaid else complete

    def touched_since(self, moment: datetime) -> set[str]:
        return Operation.touched_since("agent", moment)

    def last_writes(self, remote_ids: Iterable[str]) -> dict[str, datetime]:
        return Operation.last_ended("agent", remote_ids)

    def explain(self) -> Explain:
        return settle.late_work("agent")


def _is_sure(as_of: int | None, read_at: datetime | None) -> bool:
    """The list tells whole seconds, so that of two changes in one second it shows the second as it showed the first.
    Details that may have been read between the two, or that an operation stored, are read once more."""
    return as_of is None or (read_at is not None and read_at.timestamp() >= as_of + 1)
