"""An external change is reverted by an ordinary operation, and only while its value is still the current one."""

from typing import Any

import pytest

from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.mirror.models import OutsideChange
from controlplane.operations import change_sets, external_changes
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.settle import settle_due
from numbers import revert, revert_plan
from numbers.sync import sync_all
from tests import agent_writes as agent_services
from tests import number_writes as services
from tests.operations.clock import recover
from tests.operations.consistency_checks import mirror_differs
from tests.operations.writes import PROMPT

pytestmark = pytest.mark.django_db

TEMPERATURE = "conversation_config.agent.prompt.temperature"


def revert_change(workspace, change) -> Operation:
    op = revert.execute(change, ActionContext(key=workspace.key(), actor=workspace.ada))
    change.refresh_from_db()
    return op


def recorded(kind: str) -> list[Entry]:
    return list(Entry.objects.filter(kind=kind))


def patch_of(prompt: dict[str, Any]) -> dict[str, Any]:
    return {"conversation_config": {"agent": {"prompt": prompt}}}


@pytest.mark.parametrize("to", ["another agent", "no agent"])
def test_a_binding_goes_back(to, workspace):
    agent_id = workspace.sales.remote_id if to == "another agent" else None
    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=agent_id)
    assert revert.plan_revert(change).needs == {"numbers.assign_phonenumber"}

    op = revert_change(workspace, change)

    assert (op.state, op.kind, op.actor) == (State.DONE, "number.assign", workspace.ada)
    assert workspace.at_remote()["assigned_agent"]["agent_id"] == workspace.support.remote_id
    assert (change.state, change.operation, change.decided_by) == ("reverted", op, workspace.ada)
    assert [entry.actor for entry in recorded("outside.reverted")] == [workspace.ada]
    recover(workspace.clock)
    assert not OutsideChange.objects.filter(state="open").exists(), "our own write is not an external change"
    assert mirror_differs(workspace.clock.remote) == []


def test_a_binding_that_was_made_outside_is_released(workspace):
    services.assign(workspace.line, None, shown=workspace.support.remote_id, key=workspace.key(), actor=workspace.ada)
    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    op = revert_change(workspace, change)
    assert (op.state, change.state) == (State.DONE, "reverted")
    assert workspace.at_remote()["assigned_agent"] is None


def test_a_label_goes_back(workspace):
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    assert revert.plan_revert(change).needs == {"numbers.change_phonenumber"}
    op = revert_change(workspace, change)
    assert (op.state, change.state, workspace.at_remote()["label"]) == (State.DONE, "reverted", "Main")


def test_binding_and_label_go_back_as_a_change_set(workspace):
    workspace.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    assert revert.plan_revert(change).needs == {"numbers.assign_phonenumber", "numbers.change_phonenumber"}

    key = workspace.key()
    change_set = revert.plan_change_set(change, ActionContext(key=key, actor=workspace.ada))
    assert revert.plan_change_set(change, ActionContext(key=key, actor=workspace.ada)) == change_set, (
        "a double click plans once"
    )
    assert change_sets.run_due() == 1

    change_set.refresh_from_db()
    change.refresh_from_db()
    assert (change_set.state, change_set.steps.count()) == ("done", 2)
    assert (change.state, change.change_set) == ("reverted", change_set)
    assert workspace.at_remote()["label"] == "Main"
    assert workspace.at_remote()["assigned_agent"]["agent_id"] == workspace.support.remote_id
    with pytest.raises(revert_plan.NotRevertible):
        revert.plan_change_set(change, ActionContext(key=workspace.key(), actor=workspace.ada))


def test_settings_of_an_agent_go_back_and_nothing_else_is_sent(workspace):
    patch = {"name": "Console Bot", "tags": ["console"], **patch_of({"prompt": "Written there.", "temperature": 0.7})}
    change = workspace.found("patch_agent", agent_id=workspace.support.remote_id, patch=patch)
    before = workspace.clock.remote.ledger()

    op = revert_change(workspace, change)

    assert (op.state, op.kind, change.state) == (State.DONE, "agent.update", "reverted")
    now = workspace.agent_at_remote()
    assert (now["name"], now["tags"], get(now, PROMPT), get(now, TEMPERATURE)) == ("Support Bot", [], "", 0)
    [write] = workspace.clock.remote.ledger(since=before[-1]["id"])
    assert write["kind"] == "update_agent"
    assert set(op.params["set"]) == {"name", "tags", PROMPT, TEMPERATURE}


def test_an_entry_that_came_whole_goes_whole(workspace):
    mood = {"platform_settings": {"data_collection": {"mood": {"type": "string", "description": "How they felt"}}}}
    change = workspace.found("patch_agent", agent_id=workspace.support.remote_id, patch=mood)
    op = revert_change(workspace, change)
    assert (op.state, change.state) == (State.DONE, "reverted"), op.message
    assert workspace.agent_at_remote()["platform_settings"]["data_collection"] == {}


@pytest.mark.parametrize("console_action", ["archive_agent", "unarchive_agent"])
def test_an_agent_is_restored_or_archived_again(console_action, workspace):
    if console_action == "unarchive_agent":
        agent_services.archive(workspace.support, archived=True, key=workspace.key(), actor=workspace.ada)
        workspace.sync()
    change = workspace.found(console_action, agent_id=workspace.support.remote_id)
    assert revert.plan_revert(change).needs == {"agents.archive_agent"}
    op = revert_change(workspace, change)
    assert (op.state, op.kind, change.state) == (State.DONE, "agent.archive", "reverted")
    assert get(workspace.agent_at_remote(), "platform_settings.archived") == (console_action == "unarchive_agent")


def test_an_archived_and_changed_agent_is_restored_first(workspace):
    workspace.console("patch_agent", agent_id=workspace.support.remote_id, patch=patch_of({"prompt": "Written there."}))
    change = workspace.found("archive_agent", agent_id=workspace.support.remote_id)
    revert.plan_change_set(change, ActionContext(key=workspace.key(), actor=workspace.ada))
    change_sets.run_due()
    steps = list(ChangeSet.objects.get().steps.order_by("position").values_list("kind", "state"))
    assert steps == [("agent.archive", "done"), ("agent.update", "done")]
    assert get(workspace.agent_at_remote(), PROMPT) == ""


# --- Changes that cannot be reverted ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "details", "verb", "instead"),
    [
        ("add_number", {"phone_number": "+15550109999"}, "added", "remove"),
        ("create_agent", {"name": "Console Bot"}, "added", "delete"),
        ("delete_number", {"number": "line"}, "gone", "import"),
        ("delete_agent", {"agent_id": "sales"}, "gone", "create"),
    ],
)
def test_a_creation_or_deletion_names_an_alternative(action, details, verb, instead, workspace):
    details = {
        name: getattr(workspace, value).remote_id if value in ("line", "sales") else value
        for name, value in details.items()
    }
    workspace.console(action, **details)
    workspace.clock.passes(10)
    workspace.sync()
    workspace.sync()  # a deletion is confirmed by the second run
    change = OutsideChange.objects.get(state="open")
    way = revert.plan_revert(change)
    assert (change.verb, way.actions, way.instead) == (verb, [], instead)
    with pytest.raises(revert_plan.NotRevertible, match="Nothing was sent"):
        revert.execute(change, ActionContext(key=workspace.key(), actor=workspace.ada))
    assert Operation.objects.count() == 0


@pytest.mark.parametrize("field", ["phone_number", "provider"])
def test_digits_and_provider_cannot_be_sent(field, workspace):
    value = {"phone_number": "+15550100777", "provider": "exotel"}[field]
    change = workspace.found("overlay", id=workspace.line.remote_id, set={field: value, "label": "Other"})
    assert set(change.entry.after) == {field, "label"}
    way = revert.plan_revert(change)
    assert (way.actions, way.instead) == ([], "remove")
    assert "ElevenLabs does not allow changes of" in way.why_not


@pytest.mark.parametrize("console_action", ["delete_agent", "archive_agent"])
def test_a_former_agent_that_cannot_answer_is_not_offered(console_action, workspace):
    workspace.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    workspace.console(console_action, agent_id=workspace.support.remote_id)
    workspace.sync()
    workspace.sync()
    change = OutsideChange.objects.get(object_type="number")
    way = revert.plan_revert(change)
    assert (way.actions, way.instead) == ([], "assign")
    assert way.why_not.startswith(str(workspace.support))
    assert ("gone" if console_action == "delete_agent" else "archived") in way.why_not


# --- Nothing is sent if the value has changed since -------------------------------------------------------------------
def test_a_newer_change_in_the_console_stops_it_and_stays_open(workspace):
    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    workspace.console("assign", number=workspace.line.remote_id, agent_id=None)
    writes = len(workspace.clock.remote.ledger())

    op = revert_change(workspace, change)

    assert (op.state, change.state, change.operation) == (State.NOT_SENT, "open", op)
    assert "no agent now" in op.message
    assert len(workspace.clock.remote.ledger()) == writes
    assert [entry.after["why"] for entry in recorded("outside.reopened")] == [op.message]
    assert "something else now" in revert.plan_revert(change).why_not
    newer = OutsideChange.objects.exclude(pk=change.pk).get()
    assert (newer.state, newer.entry.after["agent_id"]) == ("open", None)


def test_a_newer_change_of_an_agent_stops_it(workspace):
    change = workspace.found("patch_agent", agent_id=workspace.support.remote_id, patch=patch_of({"prompt": "First."}))
    workspace.console("patch_agent", agent_id=workspace.support.remote_id, patch=patch_of({"prompt": "Second."}))
    op = revert_change(workspace, change)
    assert (op.state, change.state) == (State.NOT_SENT, "open")
    assert get(workspace.agent_at_remote(), PROMPT) == "Second."


def test_the_message_names_a_value_that_was_already_restored(workspace):
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.console("patch_number", number=workspace.line.remote_id, patch={"label": "Main"})
    workspace.sync()
    assert "already has its previous value" in revert.plan_revert(change).why_not


def test_a_refused_revert_leaves_the_change_open(workspace):
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=422)
    op = revert_change(workspace, change)
    assert (op.state, change.state, change.decided_by, change.operation) == (State.REFUSED, "open", None, op)
    again = revert_change(workspace, change)
    assert (again.state, change.state, change.operation) == (State.DONE, "reverted", again)


@pytest.mark.parametrize(("when", "state"), [("after", "reverted"), ("before", "open")])
def test_an_unconfirmed_revert_counts_until_its_verdict(when, state, workspace):
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when=when)
    op = revert_change(workspace, change)
    assert (op.state, change.state) == (State.SENT, "reverted")
    workspace.clock.passes(200)
    settle_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert change.state == state
    assert len(recorded("outside.reopened")) == (state == "open")


def test_a_revert_that_took_effect_late_closes_its_change(workspace):
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.clock.remote.fault(
        "PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="late", late_seconds=300
    )
    op = revert_change(workspace, change)
    workspace.clock.passes(200)
    settle_due()
    external_changes.reconcile_reverts()
    op.refresh_from_db()
    change.refresh_from_db()
    assert (op.state, change.state) == (State.NOT_APPLIED, "open")
    workspace.clock.passes(200)
    workspace.sync()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, change.decided_by) == ("reverted", workspace.ada)
    assert workspace.at_remote()["label"] == "Main"


def test_a_change_set_that_stopped_opens_it_and_one_resumed_closes_it(workspace):
    workspace.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=422, skip=1)
    change_set = revert.plan_change_set(change, ActionContext(key=workspace.key(), actor=workspace.ada))
    change_sets.run_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, change.change_set) == ("open", change_set)
    assert workspace.at_remote()["assigned_agent"]["agent_id"] == workspace.support.remote_id
    assert revert.plan_revert(change).why_not == "", "the other half can still be reverted"
    change_sets.resume(change_set, actor=workspace.ada)
    change_sets.run_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, workspace.at_remote()["label"]) == ("reverted", "Main")


def test_the_next_sync_updates_the_state_of_the_change(workspace):
    from numbers.tasks import sync

    change = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    workspace.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="before")
    revert_change(workspace, change)
    workspace.clock.passes(200)
    settle_due()
    sync()
    change.refresh_from_db()
    assert change.state == "open"
    assert sync_all() is not None
