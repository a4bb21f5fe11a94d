"""Actions on agents: create, duplicate, update, archive, delete."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

from agents import mirror, workflow
from agents.mirror import ARCHIVED
from agents.models import SETTINGS, Agent
from agents.unrequested_changes import MAX_NAMED, describe_unrequested
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import AgentSummary, ElevenLabs, NotFound, Remote, unstorable
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.json_paths import flatten, get, is_same, nest
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import (
    Action,
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.models import OPEN_STATES, Operation, State
from controlplane.setting_names import short_name

RECOGNIZED_BY_NAME = (
    "The answer was lost; it was found as the only new agent with that name and the requested settings."
)
# Settings in which a copy differs from its source: ids, timestamps, the shareable token, whether it is archived.
ASSIGNED_BY_SERVICE = re.compile(r"\.(id|version_id|branch_id|shareable_token|archived|\w+_unix_secs|\w+_at)$")


class Candidates(Remote):
    """Several new agents, of which it is not known which one a request created."""

    candidates: list[str]


@dataclass(frozen=True, kw_only=True)
class AgentAction(Action):
    """Base of the actions on an existing agent."""

    object_type = "agent"
    remote = RemoteAgent

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> RemoteAgent | None:
        return _get_agent(client, self.object_id)

    def is_mirrored(self, found: RemoteAgent) -> bool:
        return mirror.is_current(found)

    def store(self, observed: RemoteAgent | None, cause: Cause, reading: Reading, *, done: bool) -> None:
        if observed is not None:
            mirror.upsert_row(observed, cause, reading)
        elif done and self.removes:
            mirror.mark_gone(self.object_id, cause)

    def refuse_while_assigning(self) -> None:
        """Raises PreconditionFailed while a number is being assigned to this agent.

        Both sides commit their operation before they look for the other's, so at least one of the two sees the other.
        This check has to run before the remote is read.
        """
        other = Operation.objects.filter(state__in=OPEN_STATES, params__agent_id=self.object_id).first()
        if other is not None:
            raise PreconditionFailed(
                f"{self.object_name} is needed for a number: {other.actor_name} requested at "
                f"{other.created_at:%H:%M:%S} UTC to: {other.title}. Try again when that is decided."
            )


@dataclass(frozen=True, kw_only=True)
class NewAgentAction(Action):
    """Base of create and duplicate. `new_name` is the name of the new agent, `body` the requested settings.

    ElevenLabs accepts no idempotency key, so after a lost response the new agent is looked up by name. One operation
    per name runs at a time, and the ids that already had the name are stored before sending.
    """

    object_type = "agent"
    remote = RemoteAgent

    new_name: str = field(metadata={"param": "name"})
    body: Mapping[str, Any]

    @property
    def resource(self) -> str:
        return f"agent-name:{hashlib.sha256(self.new_name.encode()).hexdigest()[:40]}"

    def precheck(self, client: ElevenLabs) -> Attempt:
        return Attempt({"ids": sorted(self._ids_with_name(client))})

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> RemoteAgent | Candidates | None:
        if self.object_id:
            return _get_agent(client, self.object_id)
        known = set(attempt.before.get("ids", []))
        new = [_get_agent(client, agent_id) for agent_id in self._ids_with_name(client) if agent_id not in known]
        agents = [agent for agent in new if agent is not None]
        matching = [agent for agent in agents if self.fits(attempt, agent)]
        if len(matching) == 1:
            return matching[0]
        return Candidates.parse({"candidates": [agent.agent_id for agent in agents]}) if agents else None

    def _ids_with_name(self, client: ElevenLabs) -> list[str]:
        """Includes archived agents: the new one may have been archived since."""
        rows = chain(*(client.all_agents(archived=archived, search=self.new_name) for archived in (False, True)))
        return [AgentSummary.parse(row).agent_id for row in rows if row.get("name") == self.new_name]

    def fits(self, attempt: Attempt, agent: RemoteAgent) -> bool:
        """Whether the agent has every requested setting."""
        return not self._not_kept(agent)

    def _not_kept(self, agent: RemoteAgent) -> list[str]:
        wanted = flatten(self.body)
        return [path for path, value in wanted.items() if not workflow.has_value(agent.raw, path, value)]

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | Candidates | None) -> Verdict:
        if observed is None:
            return Verdict(
                State.NOT_APPLIED, "Read back: no agent of this name was created. It is safe to create it again."
            )
        if isinstance(observed, Candidates):
            return Verdict(
                State.OVERTAKEN,
                f"Agents of this name appeared meanwhile ({', '.join(observed.candidates)}), and it is not known which "
                "of them, if any, this request made. Compare them before you create another.",
            )
        not_kept = [short_name(path) for path in self._not_kept(observed)]
        return Verdict(State.DONE, "" if self.object_id else RECOGNIZED_BY_NAME, not_kept)

    def matches(self, attempt: Attempt, object_id: str, observed: RemoteAgent | None) -> bool:
        if self.object_id:  # the response contained the id
            return observed is not None and self.object_id == object_id
        if observed is None or object_id in attempt.before.get("ids", []) or observed.name != self.new_name:
            return False
        return self.fits(attempt, observed)

    def summarize(self, observed: RemoteAgent | Candidates) -> dict[str, Any]:
        if isinstance(observed, Candidates):
            return {"candidates": observed.candidates}
        return {"agent_id": observed.agent_id, "name": observed.name}

    def created_id(self, observed: RemoteAgent | Candidates) -> str:
        return "" if isinstance(observed, Candidates) else observed.agent_id

    def store(self, observed: RemoteAgent | Candidates | None, cause: Cause, reading: Reading, *, done: bool) -> None:
        if observed is None:
            mirror.upsert_name(self.object_id, self.new_name, cause, reading)
        elif not isinstance(observed, Candidates):
            mirror.upsert_row(observed, cause, reading)


@register
@dataclass(frozen=True, kw_only=True)
class CreateAgent(NewAgentAction):
    """`body` is the rest of ElevenLabs' create request: tags, conversation_config, platform_settings."""

    name = "agent.create"
    verbose_name = "create agent"
    permission = "agents.add_agent"

    @classmethod
    def of(cls, name: str, body: Mapping[str, Any]) -> Self:
        return cls(display_names={"object": name}, new_name=name, body=body)

    def title(self) -> str:
        return f"Create the agent {self.new_name}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"Created the agent {self.new_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if workflow.PART in self.body:
            _refuse_workflow(workflow.problems(self._body()[workflow.PART]))
        return super().precheck(client)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        return Reply(object_id=client.create_agent({"name": self.new_name, **self._body()}))

    def _body(self) -> dict[str, Any]:
        body = dict(self.body)
        if workflow.PART in body:
            body[workflow.PART] = workflow.merged({}, body[workflow.PART])
        return body


@register
@dataclass(frozen=True, kw_only=True)
class DuplicateAgent(NewAgentAction):
    """`source` is the id of the agent that is copied."""

    name = "agent.duplicate"
    verbose_name = "duplicate agent"
    permission = "agents.duplicate_agent"

    source: str

    @classmethod
    def of(cls, agent: Agent, *, name: str) -> Self:
        names = {"object": name, "source": str(agent)}
        return cls(display_names=names, new_name=name, body={}, source=agent.remote_id)

    def title(self) -> str:
        return f"Duplicate {self.display_names['source']} as {self.new_name}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"Duplicated {self.display_names['source']} as {self.new_name}. Its numbers stay with the original."

    def precheck(self, client: ElevenLabs) -> Attempt:
        source = _existing_agent(client, self.source, self.display_names["source"])
        return Attempt({**super().precheck(client).before, "settings": _digest(source)})

    def fits(self, attempt: Attempt, agent: RemoteAgent) -> bool:
        settings = attempt.before.get("settings")
        return settings is not None and settings == _digest(agent)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        return Reply(object_id=client.duplicate_agent(self.source, name=self.new_name))


@register
@dataclass(frozen=True, kw_only=True)
class UpdateAgent(AgentAction):
    """A partial update. `values` is {path: value}; `shown` has what the page showed at those paths."""

    name = "agent.update"
    verbose_name = "change agent"
    permission = "agents.change_agent"

    values: Mapping[str, Any] = field(metadata={"param": "set"})
    shown: Mapping[str, Any]

    @classmethod
    def of(cls, agent: Agent, values: Mapping[str, Any], *, shown: Mapping[str, Any]) -> Self:
        return cls(object_id=agent.remote_id, display_names={"object": str(agent)}, values=values, shown=shown)

    def title(self) -> str:
        return f"Change {self.object_name}: {', '.join(map(short_name, self.values))}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"Saved {self.object_name}: {', '.join(map(short_name, self._changing(attempt)))}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        agent = _existing_agent(client, self.object_id, self.object_name)
        attempt, missing = Attempt(self.summarize(agent), agent), self._missing(agent)
        if not missing:
            raise NothingToDo("Nothing was sent: ElevenLabs already has these settings.", observed=agent)
        stale = [path for path in missing if attempt.before[path] != self.shown.get(path)]
        if stale:
            named = ", ".join(map(short_name, stale))
            raise PreconditionFailed(
                f"{self.object_name} was changed meanwhile, outside this page: {named}. "
                "Check the current settings, then save again.",
                observed=agent,
            )
        if any(workflow.is_in_workflow(path) for path in missing):
            self._check_workflow(agent)
        return attempt

    def _check_workflow(self, agent: RemoteAgent) -> None:
        current = agent.raw.get(workflow.PART)
        if not isinstance(current, dict):
            raise PreconditionFailed(
                f"ElevenLabs shows no workflow of {self.object_name} that can be read, so a change of it would replace "
                "parts that were never shown. Change it in the ElevenLabs console.",
                observed=agent,
                field="patch",
            )
        if whole := self._whole_workflow(agent):
            _refuse_workflow(workflow.problems(whole, current), observed=agent)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        changing = self._changing(attempt)
        patch = nest({path: value for path, value in changing.items() if not workflow.is_in_workflow(path)})
        if whole := self._whole_workflow(attempt.found):
            patch[workflow.PART] = whole
        return Reply(self.object_id, client.update_agent(self.object_id, patch))

    def _whole_workflow(self, agent: Remote | None) -> dict[str, Any] | None:
        """The workflow that the precheck read, with the change merged in. None if the workflow does not change."""
        missing = [] if agent is None else [path for path in self._missing(agent) if workflow.is_in_workflow(path)]
        if agent is None or not missing:
            return None
        return workflow.changed(agent.raw.get(workflow.PART), {path: self.values[path] for path in missing})

    def _missing(self, agent: Remote) -> list[str]:
        """The requested paths at which the agent has another value."""
        return [path for path, value in self.values.items() if not workflow.has_value(agent.raw, path, value)]

    def _changing(self, attempt: Attempt) -> dict[str, Any]:
        return {path: value for path, value in self.values.items() if not is_same(attempt.before.get(path), value)}

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The agent was deleted meanwhile.")
        now, missing, changing = self.summarize(observed), self._missing(observed), self._changing(attempt)
        overtaken = [path for path in changing if path in missing and now[path] != attempt.before.get(path)]
        kept = [path for path in changing if path not in missing]
        if overtaken and not kept:
            named = ", ".join(map(short_name, overtaken))
            return Verdict(State.OVERTAKEN, f"Read back, these are something else now: {named}.")
        if not kept:
            return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to save again.")
        not_kept = [short_name(path) for path in changing if path not in kept]
        found = attempt.found
        unrequested = "" if found is None else describe_unrequested(found.raw, observed.raw, self.values)
        return Verdict(State.DONE, unrequested, not_kept)

    def summarize(self, observed: RemoteAgent) -> dict[str, Any]:
        return {path: get(observed.raw, path) for path in self.values}


@register
@dataclass(frozen=True, kw_only=True)
class ArchiveAgent(UpdateAgent):
    """Archive and restore: an update of one setting, with its own title and messages."""

    name = "agent.archive"
    verbose_name = "archive or restore agent"
    permission = "agents.archive_agent"

    @classmethod
    def of(cls, agent: Agent, archived: bool) -> Self:  # type: ignore[override]
        return super().of(agent, {ARCHIVED: archived}, shown={ARCHIVED: not archived})

    def title(self) -> str:
        return f"{'Archive' if self._archives else 'Restore'} {self.object_name}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        if self._archives:
            return f"Archived {self.object_name}. Numbers bound to it stay bound."
        return f"Restored {self.object_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if self._archives:
            self.refuse_while_assigning()
        return super().precheck(client)

    @property
    def _archives(self) -> bool:
        return bool(self.values[ARCHIVED])


@register
@dataclass(frozen=True, kw_only=True)
class DeleteAgent(AgentAction):
    """For an agent without numbers. `numbers.services.delete_agent_with_numbers` deletes one that has some."""

    name = "agent.delete"
    verbose_name = "delete agent"
    permission = "agents.delete_agent"
    removes = True

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(object_id=agent.remote_id, display_names={"object": str(agent)})

    def title(self) -> str:
        return f"Delete the agent {self.object_name}"

    def success_message(self, attempt: Attempt, not_kept: list[str]) -> str:
        return f"Deleted the agent {self.object_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        self.refuse_while_assigning()
        agent = _get_agent(client, self.object_id)
        if agent is None:
            raise NothingToDo(f"{self.object_name} was already gone at ElevenLabs; nothing was sent.")
        numbers = [RemoteNumber.parse(row) for row in client.all_numbers(agent_id=self.object_id)]
        bound = [number.phone_number for number in numbers if number.agent_id == self.object_id]
        if bound:
            raise PreconditionFailed(
                f"{self.object_name} still answers {len(bound)} number{'s' if len(bound) > 1 else ''} "
                f"({', '.join(bound[:3])}{' …' if len(bound) > 3 else ''}). Unassign or move them first."
            )
        return Attempt(self.summarize(agent))

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        client.delete_agent(self.object_id)
        return Reply(self.object_id)

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | None) -> Verdict:
        if observed is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the agent is still there. It is safe to delete it again.")

    def summarize(self, observed: RemoteAgent) -> dict[str, Any]:
        return {"agent_id": observed.agent_id, "name": observed.name}


def _refuse_workflow(problems: list[str], *, observed: RemoteAgent | None = None) -> None:
    if problems:
        more = f" … and {len(problems) - MAX_NAMED} more." if len(problems) > MAX_NAMED else ""
        raise PreconditionFailed(
            f"The workflow would not be valid. {' '.join(problems[:MAX_NAMED])}{more}", observed=observed, field="patch"
        )


def _get_agent(client: ElevenLabs, agent_id: str) -> RemoteAgent | None:
    try:
        return client.get_agent(agent_id)
    except NotFound:
        return None


def _existing_agent(client: ElevenLabs, agent_id: str, name: str) -> RemoteAgent:
    agent = _get_agent(client, agent_id)
    if agent is None:
        mirror.mark_missing(agent_id)
        raise PreconditionFailed(f"{name} does not exist any more: it was deleted at ElevenLabs.")
    return agent


def _digest(agent: RemoteAgent) -> str | None:
    """Hash of all settings that a copy takes over. None if the agent has values that cannot be encoded."""
    if unstorable(agent.raw):
        return None
    flat = flatten({part: agent.raw.get(part) or {} for part in SETTINGS})
    kept = {path: value for path, value in flat.items() if not ASSIGNED_BY_SERVICE.search(path)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
