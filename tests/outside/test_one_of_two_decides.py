"""Two people, or a double click: a change is decided once, by one of them, and at most one write is sent."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange
from controlplane.operations import external_changes
from controlplane.operations.errors import KeyReused, ResourceLocked
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import Operation
from numbers import revert, revert_plan

ROUNDS = 12
State = OutsideChange.State


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    start, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(at: int) -> None:
        try:
            start.wait(30)
            results[at] = calls[at]()
        except Exception as error:  # noqa: BLE001 - checked by the test
            results[at] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def the_change() -> OutsideChange:
    return OutsideChange.objects.select_related("entry").get()


@pytest.mark.django_db(transaction=True)
def test_adopting_and_reverting_at_once_is_one_decision(workspace):
    """The first decision wins, the other one gets an error, and an accepted change is not overwritten."""
    ben = User.objects.create(username="ben")
    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    for played in range(ROUNDS):
        Operation.objects.all().delete()
        OutsideChange.objects.update(state=State.OPEN, operation=None, decided_by=None, decided_by_name="")
        workspace.clock.remote.console("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
        type(workspace.line).objects.update(agent=workspace.sales, bound_to=workspace.sales.remote_id)
        decisions = Entry.objects.filter(kind__in=["outside.adopted", "outside.reverted"]).count()

        adopted, reverted = at_once(
            lambda: external_changes.decide([change.pk], State.ADOPTED, actor=ben, name="ben"),
            lambda key=f"round {played}": revert.execute(the_change(), ActionContext(key=key, actor=workspace.ada)),
        )

        now = the_change()
        assert Entry.objects.filter(kind__in=["outside.adopted", "outside.reverted"]).count() == decisions + 1
        if adopted == 1:
            assert (now.state, now.decided_by) == (State.ADOPTED, ben)
            assert isinstance(reverted, external_changes.Decided), reverted
            assert "ben decided this change first: accepted" in str(reverted)
            assert Operation.objects.count() == 0
            assert workspace.at_remote()["assigned_agent"]["agent_id"] == workspace.sales.remote_id
        else:
            assert adopted == 0
            assert (now.state, now.decided_by, now.operation) == (State.REVERTED, workspace.ada, reverted)
            assert workspace.at_remote()["assigned_agent"]["agent_id"] == workspace.support.remote_id


@pytest.mark.django_db
def test_what_was_decided_while_the_page_was_open_is_not_reverted(workspace):
    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    external_changes.decide([change.pk], State.ADOPTED, actor=workspace.ada, name="ada")
    with pytest.raises(external_changes.Decided, match="ada decided this change first: accepted"):
        revert.execute(change, ActionContext(key="key", actor=workspace.ada))
    assert Operation.objects.count() == 0
    assert the_change().state == State.ADOPTED


@pytest.mark.django_db(transaction=True)
def test_two_who_revert_at_once_send_one_write(workspace):
    ben = User.objects.create(username="ben")
    workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    results = at_once(
        lambda: revert.execute(the_change(), ActionContext(key="of ada", actor=workspace.ada)),
        lambda: revert.execute(the_change(), ActionContext(key="of ben", actor=ben)),
    )
    [op] = [result for result in results if isinstance(result, Operation)]
    [other] = [result for result in results if not isinstance(result, Operation)]
    assert isinstance(other, ResourceLocked | external_changes.Decided | revert_plan.NotRevertible), other
    assert (the_change().operation, the_change().decided_by) == (op, op.actor)
    assert len(workspace.clock.remote.calls(method="PATCH", path="/v1/*")) == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_on_one_button_are_one_write(workspace):
    workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    results = at_once(*[lambda: revert.execute(the_change(), ActionContext(key="one key", actor=workspace.ada))] * 20)
    only = Operation.objects.get()
    assert {type(result) for result in results} == {Operation}, results
    assert {result.pk for result in results} == {only.pk}
    assert only.state == "done"
    assert len(workspace.clock.remote.calls(method="PATCH", path="/v1/*")) == 1
    assert Entry.objects.filter(kind="outside.reverted").count() == 1


@pytest.mark.django_db
def test_the_form_of_one_change_is_not_valid_for_another(workspace):
    first = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)
    assert revert.execute(first, ActionContext(key="key", actor=workspace.ada)).state == "done"
    second = workspace.found("patch_number", number=workspace.line.remote_id, patch={"label": "Console line"})
    with pytest.raises(KeyReused):
        revert.execute(second, ActionContext(key="key", actor=workspace.ada))
    second.refresh_from_db()
    assert second.state == State.OPEN


@pytest.mark.django_db
def test_a_process_that_dies_before_it_sends_leaves_the_change_to_be_decided(workspace, monkeypatch):
    from controlplane.operations import execute
    from controlplane.operations.settle import settle_due

    change = workspace.found("assign", number=workspace.line.remote_id, agent_id=workspace.sales.remote_id)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "mark_sent", dies)
    with pytest.raises(KeyboardInterrupt):
        revert.execute(change, ActionContext(key="key", actor=workspace.ada))
    assert the_change().state == State.REVERTED, "it is being checked and cannot be decided again"
    assert external_changes.decide([change.pk], State.ADOPTED, actor=workspace.ada, name="ada") == 0
    workspace.clock.passes(300)
    settle_due()
    external_changes.reconcile_reverts()
    assert the_change().state == State.OPEN
    assert workspace.clock.remote.calls(method="PATCH", path="/v1/*") == []


@pytest.mark.django_db
def test_hundreds_are_adopted_at_once_and_each_is_recorded(workspace):
    for at in range(450):
        workspace.clock.remote.console("add_number", phone_number=f"+1555030{at:04}")
    workspace.clock.passes(10)
    workspace.sync()
    ids = list(OutsideChange.objects.values_list("pk", flat=True))
    assert len(ids) == 450
    assert external_changes.decide(ids[:1], State.IGNORED, actor=workspace.ada, name="ada") == 1
    assert external_changes.decide(ids, State.ADOPTED, actor=workspace.ada, name="ada") == 449
    assert Entry.objects.filter(kind="outside.adopted", actor=workspace.ada).count() == 449
    assert external_changes.decide(ids, State.IGNORED, actor=workspace.ada, name="ada") == 0
