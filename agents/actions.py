"""Actions on agents: create, duplicate, update, archive, delete."""

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from agents import mirror, workflow
from agents.models import SETTINGS
from agents.unrequested_changes import MAX_NAMED, describe_unrequested
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import AgentSummary, ElevenLabs, NotFound, unstorable
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.json_paths import flatten, get, is_same, nest
from controlplane.mirror.upsert import Reading
from controlplane.operations.actions import Action, NothingToDo, PreconditionFailed, Reply, Secrets, Verdict, register
from controlplane.operations.models import OPEN_STATES, Operation, State
from controlplane.setting_names import short_name

RECOGNIZED_BY_NAME = (
    "The answer was lost; it was found as the only new agent with that name and the requested settings."
)
# Settings in which a copy differs from its source: ids, timestamps, the shareable token, whether it is archived.
ASSIGNED_BY_SERVICE = re.compile(r"\.(id|version_id|branch_id|shareable_token|archived|\w+_unix_secs|\w+_at)$")


class _NewAgent(Action):
    """Create and duplicate.

    ElevenLabs accepts no idempotency key, so after a lost response the new agent is looked up by name. One operation
    per name runs at a time, and the ids that already had the name are stored before sending.
    """

    object_type = "agent"

    def resource(self, object_id: str, wanted: Mapping[str, Any]) -> str:
        return f"agent-name:{hashlib.sha256(str(wanted['name']).encode()).hexdigest()[:40]}"

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        return {"ids": sorted(self._ids_with_name(client, op))}

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        if op.object_id:
            return _get_agent(client, op.object_id)
        known = set((op.before or {}).get("ids", []))
        new = [_get_agent(client, agent_id) for agent_id in self._ids_with_name(client, op) if agent_id not in known]
        agents = [agent for agent in new if agent is not None]
        matching = [agent for agent in agents if self.fits(op, agent)]
        if len(matching) == 1:
            return matching[0]
        return {"candidates": [agent["agent_id"] for agent in agents]} if agents else None

    def _ids_with_name(self, client: ElevenLabs, op: Operation) -> list[str]:
        """Includes archived agents: the new one may have been archived since."""
        name = op.params["name"]
        rows = chain(*(client.all_agents(archived=archived, search=name) for archived in (False, True)))
        return [AgentSummary.parse(row).agent_id for row in rows if row.get("name") == name]

    def fits(self, op: Operation, agent: dict[str, Any]) -> bool:
        """Whether the agent has every requested setting."""
        return not self._not_kept(op, agent)

    def _not_kept(self, op: Operation, agent: dict[str, Any]) -> list[str]:
        wanted = flatten(op.params["body"])
        return [path for path, value in wanted.items() if not workflow.has_value(agent, path, value)]

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(
                State.NOT_APPLIED, "Read back: no agent of this name was created. It is safe to create it again."
            )
        if ids := observed.get("candidates"):
            return Verdict(
                State.OVERTAKEN,
                f"Agents of this name appeared meanwhile ({', '.join(ids)}), and it is not known which of them, "
                "if any, this request made. Compare them before you create another.",
            )
        not_kept = [short_name(path) for path in self._not_kept(op, observed)]
        return Verdict(State.DONE, "" if op.object_id else RECOGNIZED_BY_NAME, not_kept)

    def matches(self, op: Operation, object_id: str, observed: dict[str, Any] | None) -> bool:
        if op.object_id:  # the response contained the id
            return observed is not None and op.object_id == object_id
        known = (op.before or {}).get("ids", [])
        if observed is None or object_id in known or observed.get("name") != op.params["name"]:
            return False
        return self.fits(op, observed)

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return {name: observed[name] for name in ("agent_id", "name", "candidates") if name in observed}

    def created_id(self, observed: dict[str, Any]) -> str:
        return str(observed.get("agent_id", ""))

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        if observed is None:
            mirror.upsert_name(op.object_id, op.params["name"], cause, Reading.by(op))
        elif "candidates" not in observed:
            mirror.upsert_row(observed, cause, Reading.by(op))


@register
class CreateAgent(_NewAgent):
    name = "agent.create"

    def title(self, op: Operation) -> str:
        return f"Create the agent {op.params['name']}"

    def success_message(self, op: Operation) -> str:
        return f"Created the agent {op.params['name']}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        if workflow.PART in op.params["body"]:
            _refuse_workflow(workflow.problems(self._body(op)[workflow.PART]))
        return super().precheck(client, op)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        return Reply(object_id=client.create_agent({"name": op.params["name"], **self._body(op)}))

    def _body(self, op: Operation) -> dict[str, Any]:
        body: dict[str, Any] = dict(op.params["body"])
        if workflow.PART in body:
            body[workflow.PART] = workflow.merged({}, body[workflow.PART])
        return body


@register
class DuplicateAgent(_NewAgent):
    name = "agent.duplicate"

    def title(self, op: Operation) -> str:
        return f"Duplicate {op.display_names['source']} as {op.params['name']}"

    def success_message(self, op: Operation) -> str:
        return f"Duplicated {op.display_names['source']} as {op.params['name']}. Its numbers stay with the original."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        source = _existing_agent(client, op.params["source"], op.display_names["source"])
        return {**super().precheck(client, op), "settings": _digest(source)}

    def fits(self, op: Operation, agent: dict[str, Any]) -> bool:
        settings = (op.before or {}).get("settings")
        return settings is not None and settings == _digest(agent)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        return Reply(object_id=client.duplicate_agent(op.params["source"], name=op.params["name"]))


class _Patch(Action):
    """A partial update. `params["set"]` is {path: value}; `params["shown"]` has what the page showed at those paths."""

    object_type = "agent"

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        agent = op.precheck_object = _existing_agent(client, op.object_id, op.display_names["object"])
        shown, now = op.params["shown"], self._values(op, agent)
        missing = self._missing(op, agent)
        if not missing:
            raise NothingToDo("Nothing was sent: ElevenLabs already has these settings.", observed=agent)
        stale = [path for path in missing if now[path] != shown.get(path)]
        if stale:
            named = ", ".join(map(short_name, stale))
            raise PreconditionFailed(
                f"{op.display_names['object']} was changed meanwhile, outside this page: {named}. "
                "Check the current settings, then save again.",
                observed=agent,
            )
        if any(workflow.is_in_workflow(path) for path in missing):
            self._check_workflow(op, agent)
        return now

    def _check_workflow(self, op: Operation, agent: dict[str, Any]) -> None:
        if not isinstance(agent.get(workflow.PART), dict):
            raise PreconditionFailed(
                f"ElevenLabs shows no workflow of {op.display_names['object']} that can be read, so a change of it "
                "would replace parts that were never shown. Change it in the ElevenLabs console.",
                observed=agent,
                field="patch",
            )
        if whole := self._whole_workflow(op):
            _refuse_workflow(workflow.problems(whole, agent[workflow.PART]), observed=agent)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        changing = self._changing(op)
        patch = nest({path: value for path, value in changing.items() if not workflow.is_in_workflow(path)})
        if whole := self._whole_workflow(op):
            patch[workflow.PART] = whole
        return Reply(op.object_id, client.update_agent(op.object_id, patch).raw)

    def _whole_workflow(self, op: Operation) -> dict[str, Any] | None:
        """The workflow that the precheck read, with the change merged in. None if the workflow does not change."""
        agent = op.precheck_object or {}
        missing = [path for path in self._missing(op, agent) if workflow.is_in_workflow(path)]
        if not missing:
            return None
        return workflow.changed(agent.get(workflow.PART), {path: op.params["set"][path] for path in missing})

    def _missing(self, op: Operation, agent: dict[str, Any]) -> list[str]:
        """The requested paths at which the agent has another value."""
        return [path for path, value in op.params["set"].items() if not workflow.has_value(agent, path, value)]

    def _changing(self, op: Operation) -> dict[str, Any]:
        before = op.before or {}
        return {path: value for path, value in op.params["set"].items() if not is_same(before.get(path), value)}

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return _get_agent(client, op.object_id)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The agent was deleted meanwhile.")
        before, now, missing = op.before or {}, self._values(op, observed), self._missing(op, observed)
        changing = self._changing(op)
        overtaken = [path for path in changing if path in missing and now[path] != before.get(path)]
        kept = [path for path in changing if path not in missing]
        if overtaken and not kept:
            named = ", ".join(map(short_name, overtaken))
            return Verdict(State.OVERTAKEN, f"Read back, these are something else now: {named}.")
        if not kept:
            return Verdict(State.NOT_APPLIED, "Read back: nothing changed. It is safe to save again.")
        not_kept = [short_name(path) for path in changing if path not in kept]
        unrequested = (
            "" if op.precheck_object is None else describe_unrequested(op.precheck_object, observed, op.params["set"])
        )
        return Verdict(State.DONE, unrequested, not_kept)

    def _values(self, op: Operation, agent: dict[str, Any]) -> dict[str, Any]:
        return {path: get(agent, path) for path in op.params["set"]}

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return self._values(op, observed)

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        if observed is not None:
            mirror.upsert_row(observed, cause, Reading.by(op))


@register
class UpdateAgent(_Patch):
    name = "agent.update"

    def title(self, op: Operation) -> str:
        return f"Change {op.display_names['object']}: {', '.join(short_name(path) for path in op.params['set'])}"

    def success_message(self, op: Operation) -> str:
        return f"Saved {op.display_names['object']}: {', '.join(map(short_name, self._changing(op)))}."


@register
class ArchiveAgent(_Patch):
    """Archive and restore: a patch of one setting, with its own title and messages."""

    name = "agent.archive"

    def title(self, op: Operation) -> str:
        return f"{'Archive' if self._archives(op) else 'Restore'} {op.display_names['object']}"

    def success_message(self, op: Operation) -> str:
        if self._archives(op):
            return f"Archived {op.display_names['object']}. Numbers bound to it stay bound."
        return f"Restored {op.display_names['object']}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        if self._archives(op):
            _refuse_while_assigning(op)
        return super().precheck(client, op)

    def _archives(self, op: Operation) -> bool:
        return bool(op.params["set"]["platform_settings.archived"])


@register
class DeleteAgent(Action):
    name = "agent.delete"
    object_type = "agent"
    removes = True

    def title(self, op: Operation) -> str:
        return f"Delete the agent {op.display_names['object']}"

    def success_message(self, op: Operation) -> str:
        return f"Deleted the agent {op.display_names['object']}."

    def precheck(self, client: ElevenLabs, op: Operation) -> dict[str, Any]:
        _refuse_while_assigning(op)
        agent = _get_agent(client, op.object_id)
        if agent is None:
            raise NothingToDo(f"{op.display_names['object']} was already gone at ElevenLabs; nothing was sent.")
        numbers = [RemoteNumber.parse(row) for row in client.all_numbers(agent_id=op.object_id)]
        bound = [number.phone_number for number in numbers if number.agent_id == op.object_id]
        if bound:
            raise PreconditionFailed(
                f"{op.display_names['object']} still answers {len(bound)} number{'s' if len(bound) > 1 else ''} "
                f"({', '.join(bound[:3])}{' …' if len(bound) > 3 else ''}). Unassign or move them first."
            )
        return self.summarize(op, agent)

    def send(self, client: ElevenLabs, op: Operation, secrets: Secrets) -> Reply:
        client.delete_agent(op.object_id)
        return Reply(op.object_id)

    def read_back(self, client: ElevenLabs, op: Operation) -> dict[str, Any] | None:
        return _get_agent(client, op.object_id)

    def reconcile(self, op: Operation, observed: dict[str, Any] | None) -> Verdict:
        if observed is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the agent is still there. It is safe to delete it again.")

    def summarize(self, op: Operation, observed: dict[str, Any]) -> dict[str, Any]:
        return {"agent_id": observed["agent_id"], "name": observed.get("name")}

    def store(self, op: Operation, observed: dict[str, Any] | None, cause: Cause) -> None:
        if observed is None:
            mirror.mark_gone(op.object_id, cause)
        else:
            mirror.upsert_row(observed, cause, Reading.by(op))


def _refuse_workflow(problems: list[str], *, observed: dict[str, Any] | None = None) -> None:
    if problems:
        more = f" … and {len(problems) - MAX_NAMED} more." if len(problems) > MAX_NAMED else ""
        raise PreconditionFailed(
            f"The workflow would not be valid. {' '.join(problems[:MAX_NAMED])}{more}", observed=observed, field="patch"
        )


def _get_agent(client: ElevenLabs, agent_id: str) -> dict[str, Any] | None:
    try:
        return client.get_agent(agent_id).raw
    except NotFound:
        return None


def _existing_agent(client: ElevenLabs, agent_id: str, name: str) -> dict[str, Any]:
    agent = _get_agent(client, agent_id)
    if agent is None:
        mirror.mark_missing(agent_id)
        raise PreconditionFailed(f"{name} does not exist any more: it was deleted at ElevenLabs.")
    return agent


def _refuse_while_assigning(op: Operation) -> None:
    """Raises PreconditionFailed while a number is being assigned to this agent.

    Both sides commit their operation before they look for the other's, so at least one of the two sees the other.
    This check has to run before the remote is read.
    """
    other = Operation.objects.filter(state__in=OPEN_STATES, params__agent_id=op.object_id).first()
    if other is not None:
        raise PreconditionFailed(
            f"{op.display_names['object']} is needed for a number: {other.actor_name} requested at "
            f"{other.created_at:%H:%M:%S} UTC to: {other.title}. Try again when that is decided."
        )


def _digest(agent: dict[str, Any]) -> str | None:
    """Hash of all settings that a copy takes over. None if the agent has values that cannot be encoded."""
    if unstorable(agent):
        return None
    flat = flatten({part: agent.get(part) or {} for part in SETTINGS})
    kept = {path: value for path, value in flat.items() if not ASSIGNED_BY_SERVICE.search(path)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
