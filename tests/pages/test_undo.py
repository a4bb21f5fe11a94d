"""Undo on the page of a history entry: a regular operation, allowed while the value is still what that entry set."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.json_paths import get
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.writes import PROMPT
from tests.pages.test_number_pages import LIST, submit, url
from tests.pages.test_outside_changes import person

pytestmark = pytest.mark.django_db


def page_of(entry: Entry, action: str = "change") -> str:
    return reverse(f"admin:audit_entry_{action}", args=[entry.pk])


def text(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def post(client: Client, entry: Entry, key: str = "", **more: str) -> Any:
    return client.post(page_of(entry, "undo"), {"key": key or str(uuid.uuid4()), **more})


def made_by(op: Operation) -> Entry:
    assert op.state == State.DONE, op.message
    return Entry.objects.get(cause="operation", cause_id=str(op.pk), kind__endswith=".changed")


def answering(remote: Any, number: PhoneNumber) -> str | None:
    assigned = remote.get(f"/v1/convai/phone-numbers/{number.remote_id}")["assigned_agent"]
    return assigned and assigned["agent_id"]


@pytest.fixture
def moved(workspace) -> Entry:
    """The assigned number was moved from Support Bot to Sales Bot in this app."""
    bound = workspace.bound
    return made_by(numbers.assign(bound, workspace.sales, shown=bound.bound_to, key="move", actor=None))


def writes(remote: Any) -> int:
    return len(remote.ledger())


def test_a_binding_is_restored_and_both_entries_show_it(operator, remote, workspace, moved):
    page = operator.get(page_of(moved)).content.decode()
    assert page_of(moved, "undo") in page
    before = writes(remote)
    asks = text(operator.get(page_of(moved, "undo")))
    assert f"Move +1 555 010 0001 from {workspace.sales} to {workspace.support} ." in asks
    assert f"Now {workspace.sales} ({workspace.sales.remote_id}) arrow_forward Then {workspace.support}" in asks
    assert writes(remote) == before, "a GET sends nothing"

    assert post(operator, moved, reason="Wrong agent", ticket="OPS-7").url == page_of(moved)

    op = Operation.objects.latest("pk")
    assert (op.state, op.kind, op.undoes) == ("done", "number.assign", moved)
    assert (op.reason, op.ticket) == ("Wrong agent", "OPS-7")
    assert answering(remote, workspace.bound) == workspace.support.remote_id
    assert writes(remote) == before + 1
    entries = Entry.objects.filter(cause_id=str(op.pk))
    assert {(entry.reason, entry.ticket) for entry in entries} == {("Wrong agent", "OPS-7")}
    assert entries.get(kind="operation.done").after["undoes"] == moved.pk
    new = text(operator.get(page_of(made_by(op))))
    assert f"Undoes history entry {moved.pk}" in new
    assert "OPS-7" in new
    old = text(operator.get(page_of(moved)))
    assert "Undone by Operators" in old
    assert "Undo …" not in old
    of_the_operation = reverse("admin:operations_operation_change", args=[op.pk])
    assert f"Undoes history entry {moved.pk}" in text(operator.get(of_the_operation))


def test_an_undo_can_be_undone(operator, remote, workspace, moved):
    post(operator, moved)
    again = made_by(Operation.objects.latest("pk"))
    assert again.reason == f"Undoes history entry {moved.pk}."
    post(operator, again)
    assert answering(remote, workspace.bound) == workspace.sales.remote_id


def test_a_double_click_and_a_second_tab_undo_once(operator, remote, workspace, moved):
    before, key = writes(remote), str(uuid.uuid4())
    assert [post(operator, moved, key).status_code for _ in range(2)] == [302, 302]
    other_tab = post(operator, moved)
    assert other_tab.status_code == 422
    assert "It was undone already" in text(other_tab)
    assert writes(remote) == before + 1
    numbers.assign(workspace.bound, workspace.sales, shown=workspace.support.remote_id, key="again", actor=None)
    late = post(operator, moved)
    assert "It was undone already" in text(late), "a later move does not make the entry undoable again"
    assert answering(remote, workspace.bound) == workspace.sales.remote_id


def test_a_key_of_something_else_is_refused(operator, remote, workspace, moved):
    before, key = writes(remote), str(uuid.uuid4())
    numbers.set_label(workspace.free, "Other", shown="Spare", key=key, actor=None)
    answer = post(operator, moved, key)
    assert answer.status_code == 422
    assert "This form was already sent with other values" in text(answer)
    assert writes(remote) == before + 1


@pytest.mark.parametrize("seen", [True, False])
def test_a_later_change_is_reported_and_nothing_is_sent(seen, operator, remote, workspace, moved):
    """Whether a sync has already found the change, or the check before sending finds it."""
    remote.console("assign", number=workspace.bound.remote_id, agent_id=None)
    if seen:
        sync_all()
        page = text(operator.get(page_of(moved, "undo")))
        assert "It was changed again since then" in page
        assert "Current value: no agent" in page
        assert ">Undo</button>" not in operator.get(page_of(moved, "undo")).content.decode()
    before = writes(remote)
    answer = post(operator, moved)
    assert answer.status_code == 422
    shown = text(answer)
    assert ("It was changed again since then" if seen else "is with no agent now") in shown
    assert "Current value: no agent" in shown
    assert writes(remote) == before
    assert answering(remote, workspace.bound) is None


@pytest.mark.parametrize(("console_action", "words"), [("delete_agent", "is gone"), ("archive_agent", "is archived")])
@pytest.mark.parametrize("seen", [True, False])
def test_an_agent_that_is_not_there_any_more_gets_no_number(
    console_action, words, seen, operator, remote, workspace, moved
):
    remote.console(console_action, agent_id=workspace.support.remote_id)
    if seen:
        sync_all()
        sync_all()
    before = writes(remote)
    answer = post(operator, moved)
    assert answer.status_code == 422
    assert (
        words if seen else "does not exist any more" if console_action == "delete_agent" else "is archived"
    ) in text(answer)
    assert writes(remote) == before


def test_a_number_that_is_gone(operator, remote, workspace, moved):
    numbers.remove(PhoneNumber.objects.get(pk=workspace.bound.pk), shown=workspace.sales.remote_id, key="r", actor=None)
    before = writes(remote)
    assert "It is gone at ElevenLabs now." in text(operator.get(page_of(moved)))
    assert post(operator, moved).status_code == 422
    assert writes(remote) == before


def test_while_an_operation_is_open_it_waits(operator, remote, workspace, moved):
    Operation.objects.create(
        kind="number.rename", resource=f"number:{workspace.bound.remote_id}", state="sent", title="Label it", key="open"
    )
    asks = operator.get(page_of(moved, "undo"))
    assert "Label it: unconfirmed. Until it is finished" in text(asks)
    assert ">Undo</button>" not in asks.content.decode()
    before = writes(remote)
    assert "Until it is finished, nothing else can be changed here" in text(post(operator, moved))
    assert writes(remote) == before


def test_label_settings_and_archive(operator, remote, workspace):
    support = workspace.support
    made = [
        numbers.set_label(workspace.bound, "Night", shown="Main", key="l", actor=None),
        agents.update(support, values={PROMPT: "New.", "name": "Help"}, shown={PROMPT: "", "name": "Support Bot"},
                      key="u", actor=None),
    ]  # fmt: skip
    made.append(agents.archive(Agent.objects.get(pk=support.pk), archived=True, key="a", actor=None))
    for op in reversed(made):
        entry = made_by(op)
        answer = post(operator, entry)
        assert answer.status_code == 302, text(answer)
    now = remote.get(f"/v1/convai/agents/{support.remote_id}")
    assert (now["name"], get(now, PROMPT)) == ("Support Bot", "")
    assert not now["platform_settings"]["archived"]
    assert remote.get(f"/v1/convai/phone-numbers/{workspace.bound.remote_id}")["label"] == "Main"


def test_a_single_step_of_a_change_set(operator, remote, workspace):
    change_set = numbers.delete_agent_with_numbers(workspace.support, workspace.sales, key="retire", actor=None)
    change_sets.run_due()
    change_set.refresh_from_db()
    assert change_set.state == ChangeSet.State.DONE, change_set.problem
    entry = made_by(change_set.steps.get(kind="number.assign"))
    ChangeSet.objects.update(state=ChangeSet.State.RUNNING)
    assert "still runs" in text(post(operator, entry))
    ChangeSet.objects.update(state=ChangeSet.State.DONE)
    assert "is gone. Assign another agent." in text(post(operator, entry))
    assert answering(remote, workspace.bound) == workspace.sales.remote_id


def test_the_message_and_the_verdict_lead_there(operator, workspace):
    submit(operator, url(workspace.bound, "rename"), label="Night")
    entry = Entry.objects.get(kind="number.changed")
    assert page_of(entry, "undo") in operator.get(LIST).content.decode()
    verdict = Entry.objects.get(kind="operation.done")
    assert page_of(entry) in operator.get(page_of(verdict)).content.decode()


@pytest.mark.parametrize("kind", ["number.gone", "agent.added", "agent.gone"])
def test_what_cannot_be_undone_explains_why(kind, operator, remote, workspace):
    numbers.remove(workspace.free, shown="", key="r", actor=None)
    agents.create(name="New", body={"conversation_config": {}}, key="c", actor=None)
    agents.delete(workspace.sales, key="d", actor=None)
    entry = Entry.objects.get(kind=kind, cause="operation")
    assert "Cannot be undone. " in text(operator.get(page_of(entry)))
    before = writes(remote)
    assert (operator.get(page_of(entry, "undo")).status_code, post(operator, entry).status_code) == (404, 404)
    assert writes(remote) == before


def test_what_no_operation_did_has_no_undo(operator, workspace):
    for entry in Entry.objects.exclude(cause="operation"):
        assert "undo" not in text(operator.get(page_of(entry))).lower()
        assert operator.get(page_of(entry, "undo")).status_code == 404


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["audit.view_entry"], 403),
        (["numbers.assign_phonenumber"], 403),
        (["audit.view_entry", "numbers.change_phonenumber"], 403),
        (["audit.view_entry", "numbers.assign_phonenumber"], 302),
    ],
)
def test_it_needs_the_right_to_the_write_itself(codes, status, remote, moved):
    client, before = person(*codes), writes(remote)
    if "audit.view_entry" in codes:
        assert (page_of(moved, "undo") in client.get(page_of(moved)).content.decode()) == (status == 302)
    assert client.get(page_of(moved, "undo")).status_code == (200 if status == 302 else 403)
    assert post(client, moved).status_code == status
    assert writes(remote) == before + (status == 302)
