"""The way back from a change that the history tells of: ordinary operations to the state before.

Each operation's own check makes sure that it still stands where the change left it; otherwise nothing is sent.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from agents import kinds as agent_kinds
from agents import services as agent_services
from agents.back import back, tools_themselves
from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.audit.why import Why
from controlplane.mirror.paths import get
from controlplane.operations.run import Wish
from numbers import kinds, services
from numbers.models import PhoneNumber

BINDING = ("agent_id", *kinds.OF_A_BINDING)
NEEDS = {
    kinds.AssignNumber: "numbers.assign_phonenumber",
    kinds.RenameNumber: "numbers.change_phonenumber",
    agent_kinds.UpdateAgent: "agents.change_agent",
    agent_kinds.ArchiveAgent: "agents.archive_agent",
}
# What is no change of a setting: why there is no way back, and the deed that is meant instead.
NO_WAY = {
    ("number", "added"): ("It was not here before. Remove it from ElevenLabs instead.", "remove"),
    ("number", "back"): ("It was gone before. Remove it from ElevenLabs instead.", "remove"),
    ("number", "gone"): ("ElevenLabs has forgotten it. To have it back, import it again.", "import"),
    ("agent", "added"): ("It was not here before. Delete it instead.", "delete"),
    ("agent", "back"): ("It was gone before. Delete it instead.", "delete"),
    ("agent", "gone"): ("A deleted agent cannot be brought back. In its place, create another.", "create"),
}


class NoWayBack(Exception):
    """This change cannot be taken back as it stands; nothing was sent."""


@dataclass(frozen=True)
class WayBack:
    """What to send, in this order; or why there is nothing to send, and which deed is meant instead."""

    wishes: list[Wish] = field(default_factory=list)
    why_not: str = ""
    instead: str = ""  # remove, assign, import, delete, create, restore

    @property
    def needs(self) -> set[str]:
        """The permissions of the writes themselves."""
        return {NEEDS[wish.kind] for wish in self.wishes}


def row_of(entry: Entry) -> PhoneNumber | Agent | None:
    if entry.object_type == PhoneNumber.object_type:
        return PhoneNumber.objects.select_related("agent").filter(remote_id=entry.object_id).first()
    return Agent.objects.filter(remote_id=entry.object_id).first()


def rights(entry: Entry) -> set[str]:
    """What somebody has to be allowed who takes this change back, whether it can be taken back or not."""
    paths = {*entry.before, *entry.after}
    if entry.object_type == PhoneNumber.object_type:
        kind_at = dict.fromkeys(BINDING, kinds.AssignNumber) | {"label": kinds.RenameNumber}
        return {NEEDS[kind] for path, kind in kind_at.items() if path in paths} or {NEEDS[kinds.RenameNumber]}
    archives, others = agent_services.ARCHIVED in paths, paths - {agent_services.ARCHIVED}
    return {
        *([NEEDS[agent_kinds.ArchiveAgent]] if archives else []),
        *([NEEDS[agent_kinds.UpdateAgent]] if others else []),
    }


def way_back(entry: Entry) -> WayBack:
    """Worked out from the entry and from the picture; the operations ask ElevenLabs whether it is still so."""
    if entry.verb != "changed":
        why_not, instead = NO_WAY[entry.object_type, entry.verb]
        return WayBack(why_not=why_not, instead=instead)
    row = row_of(entry)
    if row is None or row.gone_at:
        return WayBack(why_not="It is gone at ElevenLabs now.")
    return _of_number(entry, row) if isinstance(row, PhoneNumber) else _of_agent(entry, row)


def wishes(way: WayBack, why: Why, *, undoes: int | None = None) -> list[Wish]:
    """Raises `NoWayBack`."""
    if not way.wishes or way.why_not:
        raise NoWayBack(f"Nothing was sent. {way.why_not}")
    return [replace(wish, why=why, undoes=undoes) for wish in way.wishes]


def _of_number(entry: Entry, number: PhoneNumber) -> WayBack:
    before, after = entry.before, entry.after
    fixed = [words for path, words in (("phone_number", "digits"), ("provider", "provider")) if path in after]
    if fixed:
        why_not = f"ElevenLabs does not allow changes of a number's {' or '.join(fixed)}. Remove and import it again."
        return WayBack(why_not=why_not, instead="remove")
    wishes, why_not = [], ""
    binding = {name: before.get(name) for name in kinds.OF_A_BINDING if name in after}
    left = {name: after[name] for name in binding}
    if "agent_id" in after:
        agent = Agent.objects.filter(remote_id=before["agent_id"]).first() if before["agent_id"] else None
        if before["agent_id"]:
            why_not = _cannot_answer(agent, before)
        if not why_not:
            binding = binding if agent is not None else {}
            shown = after["agent_id"] or ""
            wishes.append(services.assignment(number, agent, shown=shown, binding=binding, shown_binding=left))
    elif binding and number.agent is not None:
        shown = number.bound_to
        wishes.append(services.assignment(number, number.agent, shown=shown, binding=binding, shown_binding=left))
    if "label" in after:
        wishes.append(services.labelling(number, before["label"], shown=after["label"]))
    if why_not:
        return WayBack(why_not=why_not, instead="assign")
    if not wishes:
        return WayBack(why_not="Only what is known of its agent changed, nothing that is set on the number.")
    now = number.told()
    paths = [path for path in (*BINDING, "label") if path in after]
    return WayBack(wishes, _moved_on([(now[path], before.get(path), after[path]) for path in paths]))


def _cannot_answer(agent: Agent | None, before: dict[str, Any]) -> str:
    name = str(agent) if agent else before.get("agent_name") or f"an agent …{before['agent_id'][-4:]}"
    if agent is None or agent.gone_at:
        return f"{name}, which answered it before, is gone. Assign another agent."
    return f"{name}, which answered it before, is archived. Assign another agent." if agent.archived else ""


def _of_agent(entry: Entry, agent: Agent) -> WayBack:
    before, after = entry.before, entry.after
    values = back(before, after, agent.remote_data)
    shown = {path: get(agent.remote_data, path) for path in values}
    if tools_themselves(values):
        return WayBack(why_not="A tool itself was changed. Tools belong to the workspace: change it at ElevenLabs.")
    now = agent.told()
    moved_on = _moved_on([(now.get(path), before.get(path), after.get(path)) for path in {**before, **after}])
    wishes = []
    settings = {path: value for path, value in values.items() if path != agent_services.ARCHIVED}
    if settings:
        wishes.append(agent_services.updating(agent, settings, {path: shown[path] for path in settings}))
    if agent_services.ARCHIVED in values:
        archive = bool(values[agent_services.ARCHIVED])
        # What is to be archived is changed first, what is archived is restored first.
        wishes.insert(len(wishes) if archive else 0, agent_services.archiving(agent, archive))
    return WayBack(wishes, moved_on)


def _moved_on(values: list[tuple[Any, Any, Any]]) -> str:
    """(now, before, after) of each setting. A revert that stopped half way has taken some back already."""
    if all(now == before for now, before, _ in values):
        return "It already has its previous value: there is nothing to revert."
    if any(now not in (before, after) for now, before, after in values):
        return "It was changed again since then, and is something else now."
    return ""
