"""Steps for edge cases: assignments that our checks refuse, and an agent deleted while it answers a number."""

import uuid

from agents.actions import ArchiveAgent, UpdateAgent
from agents.models import Agent
from controlplane.elevenlabs import NoSuchRoute, NotFound
from controlplane.lifecycle import probes
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Plan
from controlplane.lifecycle.step import Step
from controlplane.lifecycle.steps import FIRST_MESSAGE, PROMPT, SUPPORT, here
from controlplane.mirror.json_paths import get
from controlplane.operations.models import Operation, State
from numbers.actions import AssignNumber

NOBODY = "an agent that does not exist"


def assign_in_use(x: Experiment, step: Step) -> None:
    """Send the assignment although another agent answers the number: our own service refuses this, ElevenLabs accepts
    it."""
    line, support = here(x.line), here(x.support)
    ours = x.ask(step, AssignNumber.of(line, support, shown=""))
    op = _bind(x, step, support.remote_id, str(support))
    now = x.client.get_number(line.remote_id).agent_id
    taken_over = op.state == State.DONE and now == support.remote_id
    x.facts["in_use"] = "taken over without a word" if taken_over else f"{step.status}: {step.found}"
    kept = "Our own check stopped it" if ours.state == State.NOT_SENT else "Our own check did not stop it"
    step.conclude(taken_over and ours.state == State.NOT_SENT, f"{kept}. Sent without it: {x.facts['in_use']}.")


def assign_to_nobody(x: Experiment, step: Step) -> None:
    _bind_to_no_agent(x, step, f"agent_{uuid.uuid4().hex[:28]}", part=True)


def assign_to_empty(x: Experiment, step: Step) -> None:
    _bind_to_no_agent(x, step, "", part=False)


def _bind_to_no_agent(x: Experiment, step: Step, agent_id: str, *, part: bool) -> None:
    line = here(x.line)
    before = x.client.get_number(line.remote_id).agent_id
    op = _bind(x, step, agent_id, NOBODY)
    unchanged = x.client.get_number(line.remote_id).agent_id == before
    good = unchanged and step.was_refused(op, 404, status="document_not_found", shape_a=False)
    words = f"{'an empty id' if not agent_id else 'an unknown id'}: {step.answered(op)}"
    changed = "The binding did not change." if unchanged else "The binding changed."
    x.finding(4, good, f"{words[0].upper()}{words[1:]} {changed}", part=part)
    if step.status == 404:
        x.finding(39, op.reason_code in ("", NotFound.reason_code), "404 for an unknown agent.", part=True)
    step.conclude(good, f"{step.found} {changed}")


def label_null(x: Experiment, step: Step) -> None:
    line = here(x.line)
    before = x.client.get_number(line.remote_id)
    names = {"object": str(line)}
    probe = probes.ProbeLabel(
        object_id=line.remote_id,
        display_names=names,
        label=None,  # type: ignore[arg-type]
        shown=before.label,
    )
    op = x.ask(step, probe)
    step.observe()
    after = x.client.get_number(line.remote_id)
    good = op.state == State.DONE and (after.label, after.agent_id) == (before.label, before.agent_id)
    changed = "label and binding stayed" if good else f"label or binding changed, or it was refused: {step.found}"
    x.finding(6, good, f"`label: null` ({step.status}): {changed}.", part=True)
    step.conclude(good, f"Answered {step.status}; {changed}.")


def release(x: Experiment, step: Step) -> None:
    line = here(x.line)
    before = x.client.get_number(line.remote_id)
    op = x.ask(step, AssignNumber.of(line, None, shown=before.agent_id or ""))
    after = x.client.get_number(line.remote_id)
    good = op.state == State.DONE and after.agent_id is None and after.label == before.label
    x.finding(6, good, f"`agent_id: null` {'unbound it and left the label' if good else 'did not just unbind it'}.")
    step.conclude(good, step.found)


def assign_to_archived(x: Experiment, step: Step) -> None:
    support = here(x.support)
    if not _archive(x, step, support, archived=True):
        step.conclude(False, step.found)
        return
    op = _bind(x, step, support.remote_id, f"{SUPPORT}, which is archived")
    taken, words = op.state == State.DONE, step.found
    x.finding(5, taken, step.answered(op))
    hidden = all(row.get("agent_id") != support.remote_id for row in x.client.all_agents(search=SUPPORT))
    try:
        shown = bool(x.client.get_agent(support.remote_id).archived)
    except NotFound:
        shown = False
    by_itself = any(row.get("agent_id") == support.remote_id for row in x.client.all_agents(archived=True))
    restored = _archive(x, step, support, archived=False)
    good = hidden and shown and by_itself and restored
    x.finding(25, good, "Archived, it was read, changed and listed apart." if good else "It did not behave so.")
    step.conclude(taken and good, words)


def merge(x: Experiment, step: Step) -> None:
    support = here(x.support)
    before = x.client.get_agent(support.remote_id).raw
    shown = {FIRST_MESSAGE: get(before, FIRST_MESSAGE)}
    values = {FIRST_MESSAGE: "Good evening."}
    op = x.ask(step, UpdateAgent.of(support, values, shown=shown))
    after = x.client.get_agent(support.remote_id).raw
    kept = get(after, PROMPT) == get(before, PROMPT) and get(after, FIRST_MESSAGE) == "Good evening."
    good = op.state == State.DONE and kept
    x.finding(12, good, f"One setting sent: the others {'stayed' if kept else 'did not stay'}.", part=True)
    step.conclude(good, step.found)


# --- An agent deleted while it answers a number --------------------------------------------------------------------


def delete_bound(x: Experiment, step: Step) -> None:
    line, agent = here(x.line), here(x.support)
    if x.client.get_number(line.remote_id).agent_id != agent.remote_id:
        now = x.client.get_number(line.remote_id).agent_id or ""
        x.ask(step, AssignNumber.of(line, agent, shown=now))

    op = x.ask(step, probes.ProbeDeletion.of(agent))
    step.observe()
    good = op.state == State.DONE
    x.finding(27, good, step.answered(op))
    step.conclude(good, step.found)
    if good:
        x.gone(agent.remote_id)
    if good and (write := step.write) is not None and write.status is not None:
        x.finding(26, (write.status, write.form) in ((200, "nothing"), (204, "nothing")), f"Agent: {write.status}.")
        x.finding(45, write.form != "not JSON", f"Deletion of the agent: {write.status}, {write.form}.")


def orphaned(x: Experiment, step: Step) -> None:
    line, agent = here(x.line), here(x.support)
    try:
        x.client.get_agent(agent.remote_id)
        raise CannotGoOn("The agent is still there.")
    except NotFound:
        x.finding(39, True, "404 for a deleted agent.", part=True)
    except NoSuchRoute:
        x.finding(39, False, "The 404 for a deleted agent reads like one for a wrong path.")
    shows = x.client.get_number(line.remote_id).agent_id
    still = any(row.get("phone_number_id") == line.remote_id for row in x.client.all_numbers(agent_id=agent.remote_id))
    what = "dangling" if shows == agent.remote_id else "null" if still else "released"
    words = {
        "dangling": "It still shows the id of the deleted agent.",
        "null": "It shows no agent, but is still found by the deleted agent's id.",
        "released": "It shows no agent.",
    }[what]
    x.facts["after_delete"] = what
    x.finding(9, what == "dangling", f"{words} ({what})")
    gone = x.client.agent_summaries([agent.remote_id])
    x.finding(50, gone.get(agent.remote_id, "untold") is None, "The summary of a deleted agent was reported as gone.")
    step.conclude(what == "dangling", words)


# --- Helpers ---------------------------------------------------------------------------------------------------------


def _archive(x: Experiment, step: Step, agent: Agent, *, archived: bool) -> bool:
    return x.ask(step, ArchiveAgent.of(agent, archived)).state == State.DONE


def _bind(x: Experiment, step: Step, agent_id: str, name: str) -> Operation:
    line = here(x.line)
    names = {"object": line.display_name(), "from": "whoever answers it", "to": name}
    probe = probes.ProbeAssignment(object_id=line.remote_id, display_names=names, agent_id=agent_id, shown=None)
    op = x.ask(step, probe)
    step.observe()
    return op


CORNERS = [
    Plan("assign in use", "Assign it while another agent has it", "client alone", "Taken over.", assign_in_use),
    Plan("assign to nobody", f"Assign it to {NOBODY}", "client alone", "404, nothing changes.", assign_to_nobody),
    Plan("assign to empty", "Assign it to an empty id", "client alone", "404, nothing changes.", assign_to_empty),
    Plan("label null", "Send a label of null", "client alone", "Nothing changes.", label_null),
    Plan("unassign", "Unassign it by null", "service", "Unbound, the label stays.", release),
    Plan("bind to archived", f"Assign it to “{SUPPORT}”, archived", "client alone", "Accepted.", assign_to_archived),
    Plan("merge", f"Change one setting of “{SUPPORT}”", "service", "The others stay.", merge),
    Plan("delete bound", f"Delete “{SUPPORT}” with the number bound", "client alone", "Not refused.", delete_bound),
    Plan("orphaned", "See what the number shows then", "read", "The id of the deleted agent.", orphaned),
]
