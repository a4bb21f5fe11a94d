"""Plans the operations that revert a recorded change. The precheck of each operation makes sure that the object is
still as the change left it; otherwise nothing is sent."""

from dataclasses import dataclass, field, replace
from typing import Any

from agents import actions as agent_actions
from agents import services as agent_services
from agents.models import Agent
from agents.revert_patch import changes_a_tool, revert_patch
from controlplane.audit.justification import Justification
from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.operations.run import ActionRequest
from numbers import actions, services
from numbers.models import PhoneNumber

BINDING_FIELDS = ("agent_id", *actions.BRANCH_FIELDS)
PERMISSIONS = {
    actions.AssignNumber: "numbers.assign_phonenumber",
    actions.RenameNumber: "numbers.change_phonenumber",
    agent_actions.UpdateAgent: "agents.change_agent",
    agent_actions.ArchiveAgent: "agents.archive_agent",
}
# (object type, verb): (why the change cannot be reverted, the action to offer instead).
NOT_REVERTIBLE = {
    ("number", "added"): ("It was not here before. Remove it from ElevenLabs instead.", "remove"),
    ("number", "back"): ("It was gone before. Remove it from ElevenLabs instead.", "remove"),
    ("number", "gone"): ("ElevenLabs has forgotten it. To have it back, import it again.", "import"),
    ("agent", "added"): ("It was not here before. Delete it instead.", "delete"),
    ("agent", "back"): ("It was gone before. Delete it instead.", "delete"),
    ("agent", "gone"): ("A deleted agent cannot be brought back. In its place, create another.", "create"),
}


class NotRevertible(Exception):
    """The change cannot be reverted; nothing was sent."""


@dataclass(frozen=True)
class RevertPlan:
    """The requests to carry out, in order; or why there are none, and the action to offer instead."""

    action_requests: list[ActionRequest] = field(default_factory=list)
    why_not: str = ""
    instead: str = ""  # remove, assign, import, delete, create, restore

    @property
    def needs(self) -> set[str]:
        """The permissions that the requests require."""
        return {PERMISSIONS[action_request.action] for action_request in self.action_requests}


def row_of(entry: Entry) -> PhoneNumber | Agent | None:
    if entry.object_type == PhoneNumber.object_type:
        return PhoneNumber.objects.select_related("agent").filter(remote_id=entry.object_id).first()
    return Agent.objects.filter(remote_id=entry.object_id).first()


def required_permissions(entry: Entry) -> set[str]:
    """The permissions that reverting this change requires, whether it can be reverted or not."""
    paths = {*entry.before, *entry.after}
    if entry.object_type == PhoneNumber.object_type:
        by_path = dict.fromkeys(BINDING_FIELDS, actions.AssignNumber) | {"label": actions.RenameNumber}
        return {PERMISSIONS[action] for path, action in by_path.items() if path in paths} or {
            PERMISSIONS[actions.RenameNumber]
        }
    archives, others = agent_services.ARCHIVED in paths, paths - {agent_services.ARCHIVED}
    return {
        *([PERMISSIONS[agent_actions.ArchiveAgent]] if archives else []),
        *([PERMISSIONS[agent_actions.UpdateAgent]] if others else []),
    }


def plan_revert(entry: Entry) -> RevertPlan:
    """Based on the history entry and the mirror. The operations check at ElevenLabs whether it is still correct."""
    if entry.verb != "changed":
        why_not, instead = NOT_REVERTIBLE[entry.object_type, entry.verb]
        return RevertPlan(why_not=why_not, instead=instead)
    row = row_of(entry)
    if row is None or row.gone_at:
        return RevertPlan(why_not="It is gone at ElevenLabs now.")
    return _plan_for_number(entry, row) if isinstance(row, PhoneNumber) else _plan_for_agent(entry, row)


def action_requests(way: RevertPlan, justification: Justification, *, undoes: int | None = None) -> list[ActionRequest]:
    """The plan's requests, with a justification. `undoes` is the id of a history entry. Raises NotRevertible."""
    if not way.action_requests or way.why_not:
        raise NotRevertible(f"Nothing was sent. {way.why_not}")
    return [
        replace(action_request, justification=justification, undoes=undoes) for action_request in way.action_requests
    ]


def _plan_for_number(entry: Entry, number: PhoneNumber) -> RevertPlan:
    before, after = entry.before, entry.after
    fixed = [label for path, label in (("phone_number", "digits"), ("provider", "provider")) if path in after]
    if fixed:
        why_not = f"ElevenLabs does not allow changes of a number's {' or '.join(fixed)}. Remove and import it again."
        return RevertPlan(why_not=why_not, instead="remove")
    action_requests, why_not = [], ""
    binding = {name: before.get(name) for name in actions.BRANCH_FIELDS if name in after}
    shown_binding = {name: after[name] for name in binding}
    if "agent_id" in after:
        agent = Agent.objects.filter(remote_id=before["agent_id"]).first() if before["agent_id"] else None
        if before["agent_id"]:
            why_not = _cannot_answer(agent, before)
        if not why_not:
            binding = binding if agent is not None else {}
            shown = after["agent_id"] or ""
            action_requests.append(
                services.assign_request(number, agent, shown=shown, binding=binding, shown_binding=shown_binding)
            )
    elif binding and number.agent is not None:
        shown = number.bound_to
        action_requests.append(
            services.assign_request(number, number.agent, shown=shown, binding=binding, shown_binding=shown_binding)
        )
    if "label" in after:
        action_requests.append(services.label_request(number, before["label"], shown=after["label"]))
    if why_not:
        return RevertPlan(why_not=why_not, instead="assign")
    if not action_requests:
        return RevertPlan(why_not="Only what is known of its agent changed, nothing that is set on the number.")
    now = number.audit_snapshot()
    paths = [path for path in (*BINDING_FIELDS, "label") if path in after]
    return RevertPlan(action_requests, _changed_since([(now[path], before.get(path), after[path]) for path in paths]))


def _cannot_answer(agent: Agent | None, before: dict[str, Any]) -> str:
    name = str(agent) if agent else before.get("agent_name") or f"an agent …{before['agent_id'][-4:]}"
    if agent is None or agent.gone_at:
        return f"{name}, which answered it before, is gone. Assign another agent."
    return f"{name}, which answered it before, is archived. Assign another agent." if agent.archived else ""


def _plan_for_agent(entry: Entry, agent: Agent) -> RevertPlan:
    before, after = entry.before, entry.after
    values = revert_patch(before, after, agent.remote_data)
    shown = {path: get(agent.remote_data, path) for path in values}
    if changes_a_tool(values):
        return RevertPlan(why_not="A tool itself was changed. Tools belong to the workspace: change it at ElevenLabs.")
    now = agent.audit_snapshot()
    why_not = _changed_since([(now.get(path), before.get(path), after.get(path)) for path in {**before, **after}])
    action_requests = []
    settings = {path: value for path, value in values.items() if path != agent_services.ARCHIVED}
    if settings:
        action_requests.append(agent_services.update_request(agent, settings, {path: shown[path] for path in settings}))
    if agent_services.ARCHIVED in values:
        archive = bool(values[agent_services.ARCHIVED])
        # An agent is changed before it is archived, and restored before it is changed.
        action_requests.insert(len(action_requests) if archive else 0, agent_services.archive_request(agent, archive))
    return RevertPlan(action_requests, why_not)


def _changed_since(values: list[tuple[Any, Any, Any]]) -> str:
    """Why the change cannot be reverted any more, or "". `values` has (now, before, after) of each setting.

    Some may already have their previous value, if an earlier revert stopped half-way.
    """
    if all(now == before for now, before, _ in values):
        return "It already has its previous value: there is nothing to revert."
    if any(now not in (before, after) for now, before, after in values):
        return "It was changed again since then, and is something else now."
    return ""
