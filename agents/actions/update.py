"""Change settings of an agent; archive and restore it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agents import comparison, workflow
from agents.actions.base import AgentAction, existing_agent, refuse_workflow
from agents.comparison import Found, compare, shown
from agents.mirror import ARCHIVED
from agents.models import Agent
from agents.unrequested_changes import describe_unrequested
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import ElevenLabs, Remote
from controlplane.mirror.json_paths import get, nest
from controlplane.operations.actions import (
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.models import State
from controlplane.setting_names import setting_name


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
        return f"Change {self.object_name}: {', '.join(map(setting_name, self.values))}"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        saved = [name for name in map(setting_name, self._changing(attempt)) if name not in without]
        return f"Saved {self.object_name}: {', '.join(saved)}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        agent = existing_agent(client, self.object_id, self.object_name)
        attempt, missing = Attempt(self.summarize(agent), agent), self._missing(agent)
        if not missing:
            raise NothingToDo("Nothing was sent: ElevenLabs already has these settings.", observed=agent)
        stale = [path for path in missing if not self._is_as_shown(path, attempt.before[path])]
        if stale:
            named = ", ".join(map(setting_name, stale))
            raise PreconditionFailed(
                f"{self.object_name} was changed meanwhile, outside this page: {named}. "
                "Check the current settings, then save again.",
                observed=agent,
            )
        if any(workflow.is_in_workflow(path) for path in missing):
            self._check_workflow(agent)
        return attempt

    def _is_as_shown(self, path: str, now: Any) -> bool:
        return bool(now == self.shown.get(path))

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
            refuse_workflow(workflow.problems(whole, current), observed=agent)

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
        return [path for path, value in self.values.items() if not comparison.has_value(agent.raw, path, value)]

    def _changing(self, attempt: Attempt) -> dict[str, Any]:
        before = attempt.before
        return {path: value for path, value in self.values.items() if not comparison.includes(before.get(path), value)}

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The agent was deleted meanwhile.")
        by_result: dict[Found, list[str]] = {result: [] for result in Found}
        for path, value in self._changing(attempt).items():
            before = attempt.before.get(path)
            by_result[compare(observed.raw, path, value, before, is_reply=attempt.is_reply)].append(path)
        notes = [*self._rewritten(observed, by_result[Found.REWRITTEN]), *_unknown(by_result[Found.UNKNOWN])]
        if by_result[Found.KEPT] or by_result[Found.REWRITTEN]:
            not_kept = [setting_name(path) for result in (Found.BEFORE, Found.OTHER) for path in by_result[result]]
            if attempt.found is not None:
                notes.append(describe_unrequested(attempt.found.raw, observed.raw, self.values))
            unknown = [setting_name(path) for path in by_result[Found.UNKNOWN]]
            return Verdict(State.DONE, " ".join(filter(None, notes)), not_kept=not_kept, unknown=unknown)
        if by_result[Found.OTHER]:
            named = ", ".join(map(setting_name, by_result[Found.OTHER]))
            return Verdict(State.OVERTAKEN, f"Read back, these are something else now: {named}.")
        if by_result[Found.UNKNOWN] and not by_result[Found.BEFORE]:
            return Verdict(State.NOT_APPLIED, " ".join(notes), is_final=True)
        if attempt.http_status is not None and attempt.http_status < 300:
            named = ", ".join(map(setting_name, by_result[Found.BEFORE]))
            return Verdict(
                State.NOT_APPLIED,
                f"ElevenLabs accepted the request, but left these as they were: {named}. It may not allow to change "
                "them for this agent.",
            )
        return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to save again.")

    def _rewritten(self, observed: RemoteAgent, paths: list[str]) -> list[str]:
        return [
            f"ElevenLabs kept {shown(get(observed.raw, path))} instead of {shown(self.values[path])} "
            f"({setting_name(path)})."
            for path in paths
        ]

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

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        if self._archives:
            return f"Archived {self.object_name}. Numbers bound to it stay bound."
        return f"Restored {self.object_name}."

    def precheck(self, client: ElevenLabs) -> Attempt:
        if self._archives:
            self.refuse_while_assigning()
        attempt = super().precheck(client)
        if attempt.found is not None and not attempt.found.raw.get("platform_settings"):
            raise PreconditionFailed(
                f"ElevenLabs shows no settings of {self.object_name}, so it is not known whether it is archived.",
                observed=attempt.found,
            )
        return attempt

    def _is_as_shown(self, path: str, now: Any) -> bool:
        """An agent whose settings do not contain this one is not archived."""
        return super()._is_as_shown(path, False if now is None else now)

    def reconcile(self, attempt: Attempt, observed: RemoteAgent | None) -> Verdict:
        was_absent = attempt.before.get(ARCHIVED) is None
        if observed is not None and was_absent and not get(observed.raw, ARCHIVED):
            # Absent and false are the same. Not final: ElevenLabs knows this setting, even if it does not show it.
            return Verdict(State.NOT_APPLIED, "Read back: it is not archived. It is safe to do it again.")
        return super().reconcile(attempt, observed)

    @property
    def _archives(self) -> bool:
        return bool(self.values[ARCHIVED])


def _unknown(paths: list[str]) -> list[str]:
    if not paths:
        return []
    what = "it was" if len(paths) == 1 else "they were"
    return [f"ElevenLabs does not know {', '.join(f'“{path}”' for path in paths)}; {what} not stored."]
