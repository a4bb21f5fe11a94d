"""Steps for edge cases: imports to be refused, assignments sent unchecked, and an agent deleted with its number."""

import uuid
from dataclasses import replace

from django.utils.text import capfirst

from agents.actions import ArchiveAgent, UpdateAgent
from controlplane.elevenlabs import NoSuchRoute, NotFound
from controlplane.lifecycle.cleanup import remove
from controlplane.lifecycle.experiment import CannotGoOn, Experiment, Step, planned
from controlplane.lifecycle.models import Asked
from controlplane.lifecycle.probes import ProbeAssignment, ProbeDeletion, ProbeImport, ProbeLabel
from controlplane.lifecycle.report import AFTER_DELETE
from controlplane.lifecycle.runner import find_agent, result_summary
from controlplane.lifecycle.steps import LABEL, SUPPORT
from controlplane.mirror.json_paths import get
from controlplane.operations.models import Operation, State
from numbers.actions import AssignNumber
from numbers.actions.import_number import ImportNumber

WRONG_TOKEN = "wrong-token"  # noqa: S105 - not a real token: no Twilio token has this form; the sandbox knows it too
MALFORMED_SID = "AC-not-a-sid"
KEY_SID = "SK" + "1" * 32
NOT_IN_ACCOUNT = "+15005550001"  # one of Twilio's test numbers: no account can own it
BY_FORM = "Our form would refuse it."
FIRST_MESSAGE = "conversation_config.agent.first_message"
PROMPT = "conversation_config.agent.prompt.prompt"
UNKNOWN_AGENT = "an agent that does not exist"


def _import(ctx: Experiment, step: Step, phone_number: str = "", **credentials: str) -> Operation:
    """Import with other credentials or another number than the given ones. If ElevenLabs unexpectedly accepts it, the
    number is removed again, so that the next import finds it free."""
    action = ImportNumber.of(phone_number or ctx.phone_number, label=LABEL)
    op = ctx.request(step, action, replace(ctx.credentials, **credentials))
    if op.object_id and op.state == State.DONE:
        left = remove(ctx.runner, Asked.objects.get(key=op.key), ctx.print_line)
        if left is not None:
            raise CannotGoOn(f"Accepted, though it should be refused, and it could not be removed: {left}")
    return op


@planned("wrong credentials", "Import with a wrong token", "service", "400 `twilio_error`.")
def wrong_credentials(ctx: Experiment, step: Step) -> None:
    op = _import(ctx, step, token=WRONG_TOKEN)
    ctx.expect_refusal(step, op, 1, 400, status="twilio_error")
    if step.status == 401:
        is_about_twilio = "invalid_api_key" not in step.body
        ctx.finding(55, is_about_twilio, f"Wrong credentials: {step.answer_summary(op)}")


@planned("malformed SID", "Import with a malformed SID", "service", f"400 or 422. {BY_FORM}")
def malformed_sid(ctx: Experiment, step: Step) -> None:
    op = _import(ctx, step, sid=MALFORMED_SID)
    step.conclude(op.state == State.REFUSED and step.status in (400, 422), step.found)


@planned("key SID alone", "Import with a key's SID alone", "service", f"400 `missing_required_field`. {BY_FORM}")
def key_sid_alone(ctx: Experiment, step: Step) -> None:
    op = _import(ctx, step, sid=KEY_SID, account_auth_token="")
    ctx.expect_refusal(step, op, 34, 400, code="missing_required_field")


@planned("not in the account", "Import a number that is not in the account", "service", "400 `invalid_parameters`.")
def not_in_account(ctx: Experiment, step: Step) -> None:
    op = _import(ctx, step, NOT_IN_ACCOUNT)
    ctx.expect_refusal(step, op, 2, 400, code="invalid_parameters", param="phone_number")


@planned("import again", "Import it a second time", "client alone", "409.")
def import_again(ctx: Experiment, step: Step) -> None:
    op = ctx.request(step, ProbeImport.of(ctx.line.phone_number, label=LABEL), ctx.credentials)
    ctx.expect_refusal(step, op, 3, 409, code="resource_already_exists")


def _assign_unchecked(ctx: Experiment, step: Step, agent_id: str, name: str) -> Operation:
    names = {"object": ctx.line.display_name(), "from": "its agent", "to": name}
    probe = ProbeAssignment(object_id=ctx.line.remote_id, display_names=names, agent_id=agent_id, shown=None)
    return ctx.request(step, probe)


@planned("assign in use", "Assign it while another agent has it", "client alone", "Taken over.")
def assign_in_use(ctx: Experiment, step: Step) -> None:
    """Our own service refuses an assignment while another agent answers the number; ElevenLabs accepts it."""
    support = ctx.agents[SUPPORT]
    ours = ctx.runner.request(AssignNumber.of(ctx.line, support, shown=""))
    op = _assign_unchecked(ctx, step, support.remote_id, str(support))
    now = ctx.client.get_number(ctx.line.remote_id).agent_id
    is_taken_over = op.state == State.DONE and now == support.remote_id
    ctx.facts["in_use"] = "taken over without a word" if is_taken_over else f"{step.status}: {step.found}"
    own_check = f"Our own check {'stopped' if ours.state == State.NOT_SENT else 'did not stop'} it."
    is_expected = is_taken_over and ours.state == State.NOT_SENT
    step.conclude(is_expected, f"{own_check} Sent without it: {ctx.facts['in_use']}.")


@planned("assign to nobody", f"Assign it to {UNKNOWN_AGENT}", "client alone", "404, nothing changes.")
def assign_to_unknown(ctx: Experiment, step: Step) -> None:
    _assign_to_no_agent(ctx, step, f"agent_{uuid.uuid4().hex[:28]}", "An unknown id", part=True)


@planned("assign to empty", "Assign it to an empty id", "client alone", "404, nothing changes.")
def assign_to_empty(ctx: Experiment, step: Step) -> None:
    _assign_to_no_agent(ctx, step, "", "An empty id", part=False)


def _assign_to_no_agent(ctx: Experiment, step: Step, agent_id: str, what: str, *, part: bool) -> None:
    before = ctx.client.get_number(ctx.line.remote_id).agent_id
    op = _assign_unchecked(ctx, step, agent_id, UNKNOWN_AGENT)
    is_unchanged = ctx.client.get_number(ctx.line.remote_id).agent_id == before
    change = "The binding did not change." if is_unchanged else "The binding changed."
    is_expected = is_unchanged and step.was_refused(op, 404, status="document_not_found")
    ctx.finding(4, is_expected, f"{what}: {step.answer_summary(op)} {change}", part=part)
    if step.status == 404:
        ctx.finding(39, op.reason_code in ("", NotFound.reason_code), "404 for an unknown agent.", part=True)
    step.conclude(is_expected, f"{step.found} {change}")


@planned("label null", "Send a label of null", "client alone", "Nothing changes.")
def label_null(ctx: Experiment, step: Step) -> None:
    before = ctx.client.get_number(ctx.line.remote_id)
    probe = ProbeLabel.of(ctx.line, None, shown=before.label)  # type: ignore[arg-type]
    op = ctx.request(step, probe)
    after = ctx.client.get_number(ctx.line.remote_id)
    is_expected = op.state == State.DONE and (after.label, after.agent_id) == (before.label, before.agent_id)
    change = "label and binding stayed" if is_expected else f"label or binding changed, or it was refused: {step.found}"
    ctx.finding(6, is_expected, f"`label: null` ({step.status}): {change}.", part=True)
    step.conclude(is_expected, f"Answered {step.status}; {change}.")


@planned("unassign", "Unassign it by null", "service", "Unbound, the label stays.")
def unassign(ctx: Experiment, step: Step) -> None:
    before = ctx.client.get_number(ctx.line.remote_id)
    op = ctx.request(step, AssignNumber.of(ctx.line, None, shown=before.agent_id or ""))
    after = ctx.client.get_number(ctx.line.remote_id)
    is_expected = op.state == State.DONE and after.agent_id is None and after.label == before.label
    effect = "unbound it and left the label" if is_expected else "did not just unbind it"
    ctx.finding(6, is_expected, f"`agent_id: null` {effect}.")
    step.conclude(is_expected, step.found)


@planned("bind to archived", f"Assign it to “{SUPPORT}”, archived", "client alone", "Accepted.")
def assign_to_archived(ctx: Experiment, step: Step) -> None:
    support, agent_id = ctx.agents[SUPPORT], ctx.agents[SUPPORT].remote_id
    archiving = ctx.runner.request(ArchiveAgent.of(support, True))
    if archiving.state != State.DONE:
        step.conclude(False, result_summary(archiving))
        return
    op = _assign_unchecked(ctx, step, agent_id, f"{SUPPORT}, which is archived")
    ctx.finding(5, op.state == State.DONE, step.answer_summary(op))
    is_hidden = all(row.get("agent_id") != agent_id for row in ctx.client.all_agents(search=SUPPORT))
    found = find_agent(ctx.client, agent_id)
    is_shown = found is not None and bool(found.archived)
    is_listed_apart = any(row.get("agent_id") == agent_id for row in ctx.client.all_agents(archived=True))
    restoring = ctx.runner.request(ArchiveAgent.of(support, False))
    holds = is_hidden and is_shown and is_listed_apart and restoring.state == State.DONE
    ctx.finding(25, holds, "Archived, it was read, changed and listed apart." if holds else "It did not behave so.")
    step.conclude(op.state == State.DONE and holds, step.found)


@planned("merge", f"Change one setting of “{SUPPORT}”", "service", "The others stay.")
def merge(ctx: Experiment, step: Step) -> None:
    support = ctx.agents[SUPPORT]
    before = ctx.client.get_agent(support.remote_id).raw
    values, shown = {FIRST_MESSAGE: "Good evening."}, {FIRST_MESSAGE: get(before, FIRST_MESSAGE)}
    op = ctx.request(step, UpdateAgent.of(support, values, shown=shown))
    after = ctx.client.get_agent(support.remote_id).raw
    is_kept = get(after, PROMPT) == get(before, PROMPT) and get(after, FIRST_MESSAGE) == "Good evening."
    is_expected = op.state == State.DONE and is_kept
    ctx.finding(12, is_expected, f"One setting sent: the others {'stayed' if is_kept else 'did not stay'}.", part=True)
    step.conclude(is_expected, step.found)


@planned("delete bound", f"Delete “{SUPPORT}” with the number bound", "client alone", "Not refused.")
def delete_bound(ctx: Experiment, step: Step) -> None:
    support = ctx.agents[SUPPORT]
    bound = ctx.client.get_number(ctx.line.remote_id).agent_id or ""
    if bound != support.remote_id:
        ctx.runner.request(AssignNumber.of(ctx.line, support, shown=bound))
    op = ctx.request(step, ProbeDeletion.of(support))
    is_deleted = op.state == State.DONE
    ctx.finding(27, is_deleted, step.answer_summary(op))
    step.conclude(is_deleted, step.found)
    if is_deleted:
        ctx.mark_removed(support.remote_id)
    if is_deleted and step.status is not None:
        form = step.sent[-1].form
        ctx.finding(26, step.status in (200, 204) and form == "nothing", f"Agent: {step.status}.")
        ctx.finding(45, form != "not JSON", f"Deletion of the agent: {step.status}, {form}.")


@planned("orphaned", "See what the number shows then", "read", "The id of the deleted agent.")
def orphaned(ctx: Experiment, step: Step) -> None:
    number_id, agent_id = ctx.line.remote_id, ctx.agents[SUPPORT].remote_id
    try:
        ctx.client.get_agent(agent_id)
        raise CannotGoOn("The agent is still there.")
    except NotFound:
        ctx.finding(39, True, "404 for a deleted agent.", part=True)
    except NoSuchRoute:
        ctx.finding(39, False, "The 404 for a deleted agent reads like one for a wrong path.")
    shown = ctx.client.get_number(number_id).agent_id
    is_found = any(row.get("phone_number_id") == number_id for row in ctx.client.all_numbers(agent_id=agent_id))
    what = "dangling" if shown == agent_id else "null" if is_found else "released"
    found = f"{capfirst(AFTER_DELETE[what])}."
    ctx.facts["after_delete"] = what
    ctx.finding(9, what == "dangling", f"{found} ({what})")
    summary = ctx.client.agent_summaries([agent_id]).get(agent_id, "not listed")
    ctx.finding(50, summary is None, "The summary of a deleted agent was reported as gone.")
    step.conclude(what == "dangling", found)


IMPORTS = [wrong_credentials, malformed_sid, key_sid_alone, not_in_account]
ASSIGNMENTS = [assign_in_use, assign_to_unknown, assign_to_empty, label_null, unassign, assign_to_archived, merge]
DELETION = [delete_bound, orphaned]
