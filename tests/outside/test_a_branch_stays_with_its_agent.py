"""A number may be assigned to a branch of its agent. The branch is shown, and is cleared when the agent changes."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from controlplane.audit.models import Entry
from controlplane.elevenlabs import ElevenLabs
from controlplane.mirror.models import OutsideChange
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation, State
from controlplane.operations.settle import settle_due
from numbers import revert, undo
from numbers.models import PhoneNumber
from tests import number_writes as services

pytestmark = pytest.mark.django_db

BRANCH = "agtbrch_night"


@pytest.fixture
def branched(workspace):
    """The line is assigned to a branch of Support Bot, with an environment."""
    binding = {"branch_id": BRANCH, "environment": "staging"}
    workspace.console("patch_number", number=workspace.line.remote_id, patch=binding)
    workspace.sync()
    OutsideChange.objects.all().delete()
    workspace.line.refresh_from_db()
    assert (workspace.line.branch_id, workspace.line.environment) == (BRANCH, "staging")
    return workspace


def bound(workspace) -> tuple[str, str | None, str | None] | None:
    agent = workspace.at_remote()["assigned_agent"]
    return agent and (agent["agent_id"], agent["branch_id"], agent["environment"])


def move(workspace, to, key="move") -> Operation:
    workspace.line.refresh_from_db()
    return services.assign(workspace.line, to, shown=workspace.line.bound_to, key=key, actor=workspace.ada)


def test_a_move_clears_it_with_a_message_and_an_undo_restores_it(branched):
    op = move(branched, branched.sales)
    assert op.state == State.DONE
    assert f"The branch {BRANCH} of {branched.support} was cleared. It uses the environment staging." in op.message
    assert bound(branched) == (branched.sales.remote_id, None, "staging")
    entry = Entry.objects.get(kind="number.changed", cause_id=str(op.pk))
    assert (entry.before["branch_id"], entry.after["branch_id"]) == (BRANCH, None)

    assert undo.execute(entry, ActionContext(key="undo", actor=branched.ada)).state == State.DONE
    assert bound(branched) == (branched.support.remote_id, BRANCH, "staging")


def test_unassigning_clears_it_so_that_the_next_agent_does_not_get_it(branched):
    assert move(branched, None).state == State.DONE
    assert move(branched, branched.sales, "again").state == State.DONE
    assert bound(branched) == (branched.sales.remote_id, None, "staging")


def test_a_number_without_a_branch_is_sent_none(workspace, monkeypatch):
    sent = []
    update = ElevenLabs.update_number
    monkeypatch.setattr(ElevenLabs, "update_number", lambda *args: (sent.append(args[-1]), update(*args))[1])
    move(workspace, workspace.sales)
    assert sent == [{"agent_id": workspace.sales.remote_id}]


def test_a_service_that_keeps_the_branch_is_reported(branched):
    answer = branched.at_remote()
    answer["assigned_agent"] |= {"agent_id": branched.sales.remote_id}
    branched.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "edit", when="after", body=answer)
    op = move(branched, branched.sales)
    assert (op.state, op.not_kept) == (State.DONE, ["branch"])
    assert f"It still shows the branch {BRANCH} of the agent before." in op.message


def test_a_lost_answer_is_settled_by_agent_and_branch(branched):
    branched.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "reset")
    assert move(branched, branched.sales).state == State.SENT
    branched.clock.passes(70)
    settle_due()
    assert Operation.objects.get().state == State.NOT_APPLIED
    assert bound(branched) == (branched.support.remote_id, BRANCH, "staging")


@pytest.mark.parametrize("field", ["branch_id", "environment"])
def test_an_external_change_of_it_is_shown_and_reverted(field, branched):
    change = branched.found("patch_number", number=branched.line.remote_id, patch={field: "other"})
    assert (set(change.entry.after), change.entry.after[field]) == ({field}, "other")
    assert revert.plan_revert(change).needs == {"numbers.assign_phonenumber"}
    op = revert.execute(change, ActionContext(key="revert", actor=branched.ada))
    assert op.state == State.DONE, op.message
    assert bound(branched) == (branched.support.remote_id, BRANCH, "staging")
    change.refresh_from_db()
    assert change.state == "reverted"


def test_a_third_branch_is_not_overwritten(branched):
    change = branched.found("patch_number", number=branched.line.remote_id, patch={"branch_id": "second"})
    branched.console("patch_number", number=branched.line.remote_id, patch={"branch_id": "third"})
    op = revert.execute(change, ActionContext(key="revert", actor=branched.ada))
    assert (op.state, bound(branched)[1]) == (State.NOT_SENT, "third")
    assert "branch of +1 555 010 0123 is third now" in op.message


@pytest.mark.parametrize(
    ("when", "meanwhile", "state"),
    [
        ("before", {}, State.NOT_APPLIED),
        ("before", {"branch_id": "third"}, State.OVERTAKEN),
        ("after", {"environment": "third"}, State.DONE),
    ],
)
def test_a_lost_answer_about_a_branch_is_judged_by_the_branch(when, meanwhile, state, branched):
    change = branched.found("patch_number", number=branched.line.remote_id, patch={"branch_id": "second"})
    branched.clock.remote.fault("PATCH", "/v1/convai/phone-numbers/*", "reset", when=when)
    assert revert.execute(change, ActionContext(key="revert", actor=branched.ada)).state == State.SENT
    if meanwhile:
        branched.console("patch_number", number=branched.line.remote_id, patch=meanwhile)
    branched.clock.passes(70)
    settle_due()
    op = Operation.objects.get()
    assert op.state == state, op.message


def test_an_upgrade_fills_the_columns_from_the_stored_data(branched):
    PhoneNumber.objects.update(branch_id="", environment="")
    migration = import_module("numbers.migrations.0005_branch_and_environment")
    migration.fill(apps, SimpleNamespace(connection=connection))
    branched.sync()
    assert not OutsideChange.objects.exists()
    branched.line.refresh_from_db()
    assert (branched.line.branch_id, branched.line.environment) == (BRANCH, "staging")
