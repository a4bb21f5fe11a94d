"""An outside change is taken back by the write that staff would ask for, and only where it still stands."""

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


def carried_out(scene, change) -> Operation:
    op = revert.execute(change, ActionContext(key=scene.key(), actor=scene.ada))
    change.refresh_from_db()
    return op


def told(kind: str) -> list[Entry]:
    return list(Entry.objects.filter(kind=kind))


def patch_of(prompt: dict[str, Any]) -> dict[str, Any]:
    return {"conversation_config": {"agent": {"prompt": prompt}}}


@pytest.mark.parametrize("to", ["another agent", "no agent"])
def test_a_binding_goes_back(to, scene):
    agent_id = scene.sales.remote_id if to == "another agent" else None
    change = scene.found("assign", number=scene.line.remote_id, agent_id=agent_id)
    assert revert.plan_revert(change).needs == {"numbers.assign_phonenumber"}

    op = carried_out(scene, change)

    assert (op.state, op.kind, op.actor) == (State.DONE, "number.assign", scene.ada)
    assert scene.at_remote()["assigned_agent"]["agent_id"] == scene.support.remote_id
    assert (change.state, change.operation, change.decided_by) == ("reverted", op, scene.ada)
    assert [entry.actor for entry in told("outside.reverted")] == [scene.ada]
    recover(scene.clock)
    assert not OutsideChange.objects.filter(state="open").exists(), "our own write is no outside change"
    assert mirror_differs(scene.clock.remote) == []


def test_a_binding_that_was_made_outside_is_released(scene):
    services.assign(scene.line, None, shown=scene.support.remote_id, key=scene.key(), actor=scene.ada)
    change = scene.found("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    op = carried_out(scene, change)
    assert (op.state, change.state) == (State.DONE, "reverted")
    assert scene.at_remote()["assigned_agent"] is None


def test_a_label_goes_back(scene):
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    assert revert.plan_revert(change).needs == {"numbers.change_phonenumber"}
    op = carried_out(scene, change)
    assert (op.state, change.state, scene.at_remote()["label"]) == (State.DONE, "reverted", "Main")


def test_binding_and_label_go_back_as_a_change_set(scene):
    scene.console("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    assert revert.plan_revert(change).needs == {"numbers.assign_phonenumber", "numbers.change_phonenumber"}

    key = scene.key()
    change_set = revert.plan_change_set(change, ActionContext(key=key, actor=scene.ada))
    assert revert.plan_change_set(change, ActionContext(key=key, actor=scene.ada)) == change_set, (
        "a double click plans once"
    )
    assert change_sets.run_due() == 1

    change_set.refresh_from_db()
    change.refresh_from_db()
    assert (change_set.state, change_set.steps.count()) == ("done", 2)
    assert (change.state, change.change_set) == ("reverted", change_set)
    assert scene.at_remote()["label"] == "Main"
    assert scene.at_remote()["assigned_agent"]["agent_id"] == scene.support.remote_id
    with pytest.raises(revert_plan.NotRevertible):
        revert.plan_change_set(change, ActionContext(key=scene.key(), actor=scene.ada))


def test_settings_of_an_agent_go_back_and_nothing_else_is_sent(scene):
    patch = {"name": "Console Bot", "tags": ["console"], **patch_of({"prompt": "Written there.", "temperature": 0.7})}
    change = scene.found("patch_agent", agent_id=scene.support.remote_id, patch=patch)
    before = scene.clock.remote.ledger()

    op = carried_out(scene, change)

    assert (op.state, op.kind, change.state) == (State.DONE, "agent.update", "reverted")
    now = scene.agent_at_remote()
    assert (now["name"], now["tags"], get(now, PROMPT), get(now, TEMPERATURE)) == ("Support Bot", [], "", 0)
    [write] = scene.clock.remote.ledger(since=before[-1]["id"])
    assert write["kind"] == "update_agent"
    assert set(op.params["set"]) == {"name", "tags", PROMPT, TEMPERATURE}


def test_an_entry_that_came_whole_goes_whole(scene):
    mood = {"platform_settings": {"data_collection": {"mood": {"type": "string", "description": "How they felt"}}}}
    change = scene.found("patch_agent", agent_id=scene.support.remote_id, patch=mood)
    op = carried_out(scene, change)
    assert (op.state, change.state) == (State.DONE, "reverted"), op.message
    assert scene.agent_at_remote()["platform_settings"]["data_collection"] == {}


@pytest.mark.parametrize("deed", ["archive_agent", "unarchive_agent"])
def test_an_agent_is_restored_or_archived_again(deed, scene):
    if deed == "unarchive_agent":
        agent_services.archive(scene.support, archived=True, key=scene.key(), actor=scene.ada)
        scene.sync()
    change = scene.found(deed, agent_id=scene.support.remote_id)
    assert revert.plan_revert(change).needs == {"agents.archive_agent"}
    op = carried_out(scene, change)
    assert (op.state, op.kind, change.state) == (State.DONE, "agent.archive", "reverted")
    assert get(scene.agent_at_remote(), "platform_settings.archived") == (deed == "unarchive_agent")


def test_an_archived_and_changed_agent_is_restored_first(scene):
    scene.console("patch_agent", agent_id=scene.support.remote_id, patch=patch_of({"prompt": "Written there."}))
    change = scene.found("archive_agent", agent_id=scene.support.remote_id)
    revert.plan_change_set(change, ActionContext(key=scene.key(), actor=scene.ada))
    change_sets.run_due()
    steps = list(ChangeSet.objects.get().steps.order_by("position").values_list("kind", "state"))
    assert steps == [("agent.archive", "done"), ("agent.update", "done")]
    assert get(scene.agent_at_remote(), PROMPT) == ""


# --- Where there is no way back ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "details", "verb", "instead"),
    [
        ("add_number", {"phone_number": "+15550109999"}, "added", "remove"),
        ("create_agent", {"name": "Console Bot"}, "added", "delete"),
        ("delete_number", {"number": "line"}, "gone", "import"),
        ("delete_agent", {"agent_id": "sales"}, "gone", "create"),
    ],
)
def test_what_was_made_or_deleted_says_what_to_do_instead(action, details, verb, instead, scene):
    details = {
        name: getattr(scene, value).remote_id if value in ("line", "sales") else value
        for name, value in details.items()
    }
    scene.console(action, **details)
    scene.clock.passes(10)
    scene.sync()
    scene.sync()  # gone is believed in the second run
    change = OutsideChange.objects.get(state="open")
    way = revert.plan_revert(change)
    assert (change.verb, way.actions, way.instead) == (verb, [], instead)
    with pytest.raises(revert_plan.NotRevertible, match="Nothing was sent"):
        revert.execute(change, ActionContext(key=scene.key(), actor=scene.ada))
    assert Operation.objects.count() == 0


@pytest.mark.parametrize("field", ["phone_number", "provider"])
def test_digits_and_provider_cannot_be_sent(field, scene):
    value = {"phone_number": "+15550100777", "provider": "exotel"}[field]
    change = scene.found("overlay", id=scene.line.remote_id, set={field: value, "label": "Other"})
    assert set(change.entry.after) == {field, "label"}
    way = revert.plan_revert(change)
    assert (way.actions, way.instead) == ([], "remove")
    assert "ElevenLabs does not allow changes of" in way.why_not


@pytest.mark.parametrize("deed", ["delete_agent", "archive_agent"])
def test_a_former_agent_that_cannot_answer_is_not_offered(deed, scene):
    scene.console("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    scene.console(deed, agent_id=scene.support.remote_id)
    scene.sync()
    scene.sync()
    change = OutsideChange.objects.get(object_type="number")
    way = revert.plan_revert(change)
    assert (way.actions, way.instead) == ([], "assign")
    assert way.why_not.startswith(str(scene.support))
    assert ("gone" if deed == "delete_agent" else "archived") in way.why_not


# --- It still stands where the change left it, or nothing is sent -----------------------------------------------------
def test_a_newer_change_in_the_console_stops_it_and_stays_to_be_seen(scene):
    change = scene.found("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    scene.console("assign", number=scene.line.remote_id, agent_id=None)
    writes = len(scene.clock.remote.ledger())

    op = carried_out(scene, change)

    assert (op.state, change.state, change.operation) == (State.NOT_SENT, "open", op)
    assert "no agent now" in op.message
    assert len(scene.clock.remote.ledger()) == writes
    assert [entry.after["why"] for entry in told("outside.reopened")] == [op.message]
    assert "something else now" in revert.plan_revert(change).why_not
    newer = OutsideChange.objects.exclude(pk=change.pk).get()
    assert (newer.state, newer.entry.after["agent_id"]) == ("open", None)


def test_a_newer_change_of_an_agent_stops_it(scene):
    change = scene.found("patch_agent", agent_id=scene.support.remote_id, patch=patch_of({"prompt": "First."}))
    scene.console("patch_agent", agent_id=scene.support.remote_id, patch=patch_of({"prompt": "Second."}))
    op = carried_out(scene, change)
    assert (op.state, change.state) == (State.NOT_SENT, "open")
    assert get(scene.agent_at_remote(), PROMPT) == "Second."


def test_what_somebody_put_back_already_is_said(scene):
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.console("patch_number", number=scene.line.remote_id, patch={"label": "Main"})
    scene.sync()
    assert "already has its previous value" in revert.plan_revert(change).why_not


def test_a_refused_revert_leaves_the_change_open(scene):
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=422)
    op = carried_out(scene, change)
    assert (op.state, change.state, change.decided_by, change.operation) == (State.REFUSED, "open", None, op)
    again = carried_out(scene, change)
    assert (again.state, change.state, change.operation) == (State.DONE, "reverted", again)


@pytest.mark.parametrize(("when", "state"), [("after", "reverted"), ("before", "open")])
def test_an_unconfirmed_revert_counts_until_it_is_known(when, state, scene):
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when=when)
    op = carried_out(scene, change)
    assert (op.state, change.state) == (State.SENT, "reverted")
    scene.clock.passes(200)
    settle_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert change.state == state
    assert len(told("outside.reopened")) == (state == "open")


def test_a_revert_that_took_effect_late_closes_its_change(scene):
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="late", late_seconds=300)
    op = carried_out(scene, change)
    scene.clock.passes(200)
    settle_due()
    external_changes.reconcile_reverts()
    op.refresh_from_db()
    change.refresh_from_db()
    assert (op.state, change.state) == (State.NOT_APPLIED, "open")
    scene.clock.passes(200)
    scene.sync()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, change.decided_by) == ("reverted", scene.ada)
    assert scene.at_remote()["label"] == "Main"


def test_a_change_set_that_stopped_opens_it_and_one_resumed_closes_it(scene):
    scene.console("assign", number=scene.line.remote_id, agent_id=scene.sales.remote_id)
    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=422, skip=1)
    change_set = revert.plan_change_set(change, ActionContext(key=scene.key(), actor=scene.ada))
    change_sets.run_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, change.change_set) == ("open", change_set)
    assert scene.at_remote()["assigned_agent"]["agent_id"] == scene.support.remote_id
    assert revert.plan_revert(change).why_not == "", "half of it is left to be taken back"
    change_sets.resume(change_set, actor=scene.ada)
    change_sets.run_due()
    external_changes.reconcile_reverts()
    change.refresh_from_db()
    assert (change.state, scene.at_remote()["label"]) == ("reverted", "Main")


def test_a_sync_that_comes_next_keeps_up_by_itself(scene):
    from numbers.tasks import sync

    change = scene.found("patch_number", number=scene.line.remote_id, patch={"label": "Console line"})
    scene.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="before")
    carried_out(scene, change)
    scene.clock.passes(200)
    settle_due()
    sync()
    change.refresh_from_db()
    assert change.state == "open"
    assert sync_all() is not None
