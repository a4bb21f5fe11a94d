"""Create an agent, from settings or as a copy."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Self

from agents import comparison, mirror, workflow
from agents.actions.base import existing_agent, get_agent, refuse_workflow
from agents.models import SETTINGS, Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import AgentSummary, ElevenLabs, Remote, unstorable
from controlplane.mirror.json_paths import flatten
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import (
    Action,
    Attempt,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.models import State
from controlplane.setting_names import setting_name

RECOGNIZED_BY_NAME = (
    "The answer was lost; it was found as the only new agent with that name and the requested settings."
)
# Settings in which a copy differs from its source: ids, timestamps, the shareable token, whether it is archived.
ASSIGNED_BY_SERVICE = re.compile(r"\.(id|version_id|branch_id|shareable_token|archived|\w+_unix_secs|\w+_at)$")


class Candidates(Remote):
    """Several new agents, of which it is not known which one a request created."""

    candidates: list[str]


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
            return get_agent(client, self.object_id)
        known = set(attempt.before.get("ids", []))
        new = [get_agent(client, agent_id) for agent_id in self._ids_with_name(client) if agent_id not in known]
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
        return [path for path, value in wanted.items() if not comparison.has_value(agent.raw, path, value)]

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
        not_kept = [setting_name(path) for path in self._not_kept(observed)]
        return Verdict(State.DONE, "" if self.object_id else RECOGNIZED_BY_NAME, not_kept=not_kept)

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

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"Created the agent {self.new_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if workflow.PART in self.body:
            refuse_workflow(workflow.problems(self._body()[workflow.PART]))
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

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"Duplicated {self.display_names['source']} as {self.new_name}. Its numbers stay with the original."

    def precheck(self, client: ElevenLabs) -> Attempt:
        source = existing_agent(client, self.source, self.display_names["source"])
        return Attempt({**super().precheck(client).before, "settings": _digest(source)})

    def fits(self, attempt: Attempt, agent: RemoteAgent) -> bool:
        settings = attempt.before.get("settings")
        return settings is not None and settings == _digest(agent)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        return Reply(object_id=client.duplicate_agent(self.source, name=self.new_name))


def _digest(agent: RemoteAgent) -> str | None:
    """Hash of all settings that a copy takes over. None if the agent has values that cannot be encoded."""
    if unstorable(agent.raw):
        return None
    flat = flatten({part: agent.raw.get(part) or {} for part in SETTINGS})
    kept = {path: value for path, value in flat.items() if not ASSIGNED_BY_SERVICE.search(path)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
