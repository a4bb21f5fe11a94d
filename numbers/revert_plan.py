"""Plans the operations that revert a recorded change. The precheck of each operation makes sure that the object is
still as the change left it; otherwise nothing is sent."""

from dataclasses import dataclass, field
from typing import Any

from agents.actions import ArchiveAgent, UpdateAgent
from agents.mirror import ARCHIVED
from agents.models import Agent
from agents.revert_patch import changes_a_tool, revert_patch
from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.operations.actions import Action
from numbers.actions import BRANCH_FIELDS, AssignNumber, SetLabel
from numbers.models import PhoneNumber

BINDING_FIELDS = ("agent_id", *BRANCH_FIELDS)
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
    """The actions to carry out, in order; or why there are none, and what to offer instead."""

    actions: list[Action] = field(default_factory=list)
    why_not: str = ""
    instead: str = ""  # remove, assign, import, delete, create, restore

    @property
    def needs(self) -> set[str]:
        """The permissions that the actions require."""
        return {action.permission for action in self.actions}

    def actions_or_refuse(self) -> list[Action]:
        """Raises NotRevertible."""
        if not self.actions or self.why_not:
            raise NotRevertible(f"Nothing was sent. {self.why_not}")
        return self.actions


def row_of(entry: Entry) -> PhoneNumber | Agent | None:
    if entry.object_type == PhoneNumber.object_type:
        return PhoneNumber.objects.select_related("agent").filter(remote_id=entry.object_id).first()
    return Agent.objects.filter(remote_id=entry.object_id).first()


def required_permissions(entry: Entry) -> set[str]:
    """The permissions that reverting this change requires, whether it can be reverted or not."""
    paths = {*entry.before, *entry.after}
    if entry.object_type == PhoneNumber.object_type:
        by_path = dict.fromkeys(BINDING_FIELDS, AssignNumber.permission) | {"label": SetLabel.permission}
        return {permission for path, permission in by_path.items() if path in paths} or {SetLabel.permission}
    archives, others = ARCHIVED in paths, paths - {ARCHIVED}
    return {*([ArchiveAgent.permission] if archives else []), *([UpdateAgent.permission] if others else [])}


def plan_revert(entry: Entry) -> RevertPlan:
    """Based on the history entry and the mirror. The operations check at ElevenLabs whether it is still correct."""
    if entry.verb != "changed":
        why_not, instead = NOT_REVERTIBLE[entry.object_type, entry.verb]
        return RevertPlan(why_not=why_not, instead=instead)
    row = row_of(entry)
    if row is None or row.gone_at:
        return RevertPlan(why_not="It is gone at ElevenLabs now.")
    return _plan_for_number(entry, row) if isinstance(row, PhoneNumber) else _plan_for_agent(entry, row)


def _plan_for_number(entry: Entry, number: PhoneNumber) -> RevertPlan:
    before, after = entry.before, entry.after
    fixed = [label for path, label in (("phone_number", "digits"), ("provider", "provider")) if path in after]
    if fixed:
        why_not = f"ElevenLabs does not allow changes of a number's {' or '.join(fixed)}. Remove and import it again."
        return RevertPlan(why_not=why_not, instead="remove")
    actions: list[Action] = []
    why_not = ""
    binding = {name: before.get(name) for name in BRANCH_FIELDS if name in after}
    if binding:
        binding["shown_binding"] = {name: after[name] for name in binding}
    if "agent_id" in after:
        agent = Agent.objects.filter(remote_id=before["agent_id"]).first() if before["agent_id"] else None
        if before["agent_id"]:
            why_not = _cannot_answer(agent, before)
        if not why_not:
            binding = binding if agent is not None else {}
            actions.append(AssignNumber.of(number, agent, shown=after["agent_id"] or "", **binding))
    elif binding and number.agent is not None:
        actions.append(AssignNumber.of(number, number.agent, shown=number.bound_to, **binding))
    if "label" in after:
        actions.append(SetLabel.of(number, before["label"], shown=after["label"]))
    if why_not:
        return RevertPlan(why_not=why_not, instead="assign")
    if not actions:
        return RevertPlan(why_not="Only what is known of its agent changed, nothing that is set on the number.")
    now = number.audit_snapshot()
    paths = [path for path in (*BINDING_FIELDS, "label") if path in after]
    return RevertPlan(actions, _changed_since([(now[path], before.get(path), after[path]) for path in paths]))


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
    actions: list[Action] = []
    settings = {path: value for path, value in values.items() if path != ARCHIVED}
    if settings:
        actions.append(UpdateAgent.of(agent, settings, shown={path: shown[path] for path in settings}))
    if ARCHIVED in values:
        archive = bool(values[ARCHIVED])
        # An agent is changed before it is archived, and restored before it is changed.
        actions.insert(len(actions) if archive else 0, ArchiveAgent.of(agent, archive))
    return RevertPlan(actions, why_not)


def _changed_since(values: list[tuple[Any, Any, Any]]) -> str:
    """Why the change cannot be reverted any more, or "". `values` has (now, before, after) of each setting.

    Some may already have their previous value, if an earlier revert stopped half-way.
    """
    if all(now == before for now, before, _ in values):
        return "It already has its previous value: there is nothing to revert."
    if any(now not in (before, after) for now, before, after in values):
        return "It was changed again since then, and is something else now."
    return ""
