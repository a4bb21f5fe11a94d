"""REQUIRE_REASON: every write needs a reason. A missing one is reported at its field, and no input is lost."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.justification import Justification, ReasonRequired
from controlplane.audit.models import Entry
from controlplane.checks import tickets
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation, State
from numbers import orphans
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as numbers
from tests.operations.writes import SID, TOKEN
from tests.pages.test_orphans_page import EARLIER
from tests.pages.test_outside_changes import text

pytestmark = pytest.mark.django_db

WHY = {"reason": "Callers wait too long", "ticket": "OPS-4711"}
NUMBERS, AGENTS, CHANGES = "/admin/numbers/phonenumber/", "/admin/agents/agent/", "/admin/mirror/outsidechange/"
FormRequest = tuple[str, dict[str, Any]]  # the URL of a form, and the values entered there


def orphaned(workspace: Any, remote: Any) -> FormRequest:
    remote.console("delete_agent", agent_id=workspace.support.remote_id)
    sync_all()
    sync_all()
    Agent.objects.filter(gone_at__isnull=False).update(missing_since=timezone.now() - EARLIER)
    return f"{NUMBERS}orphans/", {}


def outside(workspace: Any, remote: Any) -> OutsideChange:
    remote.console("assign", number=workspace.bound.remote_id, agent_id=workspace.sales.remote_id)
    sync_all()
    return OutsideChange.objects.get()


def undo(workspace: Any, remote: Any) -> FormRequest:
    op = numbers.set_label(workspace.bound, "Night", shown="Main", key="k", actor=None)
    entry = Entry.objects.get(kind="number.changed", cause_id=str(op.pk))
    return f"/admin/audit/entry/{entry.pk}/undo/", {}


def stopped(workspace: Any, remote: Any) -> FormRequest:
    change_set = numbers.delete_agent_with_numbers(workspace.support, None, key="c", actor=None)
    ChangeSet.objects.update(state=ChangeSet.State.STOPPED)
    change_set.steps.update(state=State.NOT_SENT)
    return reverse("admin:operations_changeset_resume", args=[change_set.pk]), {}


def held(workspace: Any, remote: Any) -> FormRequest:
    run = SyncRun.objects.latest("id")
    hold = Hold.objects.create(run=run, kind=Hold.Kind.VANISHED, what="numbers", objects_missing=["x"], out_of=9)
    return reverse("admin:mirror_hold_accept", args=[hold.pk]), {}


def selected(workspace: Any, remote: Any) -> FormRequest:
    change = outside(workspace, remote)
    return CHANGES, {"action": "ignore", "_selected_action": [change.pk], "index": "0"}


FORM_REQUESTS: dict[str, Callable[[Any, Any], FormRequest]] = {
    "assign": lambda here, _: (f"{NUMBERS}{here.free.pk}/assign/", {"agent": here.sales.pk}),
    "move": lambda here, _: (f"{NUMBERS}{here.bound.pk}/assign/", {"agent": here.sales.pk}),
    "release": lambda here, _: (f"{NUMBERS}{here.bound.pk}/release/", {}),
    "rename": lambda here, _: (f"{NUMBERS}{here.bound.pk}/rename/", {"label": "Night line"}),
    "remove": lambda here, _: (f"{NUMBERS}{here.bound.pk}/remove/", {}),
    "import": lambda *_: (
        f"{NUMBERS}add/",
        {"phone_number": "+14155550199", "label": "Night line", "sid": SID, "token": TOKEN},
    ),
    "create": lambda *_: (f"{AGENTS}add/", {"name": "Night line"}),
    "edit": lambda here, _: (f"{AGENTS}{here.sales.pk}/change/", {"name": "Night line"}),
    "duplicate": lambda here, _: (f"{AGENTS}{here.sales.pk}/duplicate/", {"name": "Night line"}),
    "archive": lambda here, _: (f"{AGENTS}{here.sales.pk}/archive/", {}),
    "delete": lambda here, _: (reverse("admin:numbers_retire_agent", args=[here.sales.pk]), {}),
    "retire": lambda here, _: (
        reverse("admin:numbers_retire_agent", args=[here.support.pk]),
        {"deed": "move", "agent": here.sales.pk},
    ),
    "resume": stopped,
    "clean up": orphaned,
    "undo": undo,
    "revert": lambda here, remote: (f"{CHANGES}{outside(here, remote).pk}/revert/", {}),
    "adopt": lambda here, remote: (f"{CHANGES}{outside(here, remote).pk}/adopt/", {}),
    "ignore many": selected,
    "hold": held,
}
DECIDED = {"adopt": "outside.adopted", "ignore many": "outside.ignored", "hold": "hold.accepted"}  # no request is sent


def typed(client: Any, address: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of the form as its page shows it, updated with `values`."""
    page = client.get(address)
    form = page.context["form"] if page.status_code == 200 and "form" in page.context else []
    shown = {field.html_name: field.value() for field in form}
    if not shown.get("key"):
        shown["key"] = str(uuid.uuid4())
    return {name: value for name, value in (shown | values).items() if value is not None and value is not False}


def world(remote: Any) -> tuple[Any, ...]:
    states = [model.objects.values_list("state") for model in (OutsideChange, ChangeSet, Hold)]
    return len(remote.ledger()), Operation.objects.count(), *map(list, states)


@pytest.mark.parametrize("what", FORM_REQUESTS)
def test_without_a_reason_nothing_is_done_and_nothing_typed_is_lost(what, operator, workspace, remote, settings):
    address, values = FORM_REQUESTS[what](workspace, remote)
    settings.REQUIRE_REASON = True
    before = world(remote)
    sent = typed(operator, address, values) | {"reason": " – ", "ticket": "OPS-1"}
    answer = operator.post(address, sent)
    assert (answer.status_code, world(remote)) == (422, before), text(answer)
    page = answer.content.decode()
    assert "Enter a short reason. It is kept in the history." in page
    assert re.search(r'<input[^>]*name="ticket"[^>]*value="OPS-1"', page)
    if "Night line" in values.values():
        assert 'value="Night line"' in page
    assert TOKEN not in page

    # With a reason, the same form is accepted.
    again = typed(operator, address, values) | {"key": sent["key"]} | WHY
    done = operator.post(address, again)
    assert done.status_code == 302, text(done)
    assert world(remote) != before
    if what == "resume":
        assert {(op.reason, op.ticket) for op in Operation.objects.filter(state=State.PLANNED)} == {tuple(WHY.values())}
    elif what in DECIDED:
        decided = Entry.objects.get(kind=DECIDED[what])
        assert (decided.reason, decided.ticket) == tuple(WHY.values())
    else:
        for op in Operation.objects.exclude(key="k"):
            assert op.reason.endswith(WHY["reason"])
            assert op.ticket == WHY["ticket"]
    for change_set in ChangeSet.objects.exclude(key="c"):
        assert (change_set.reason, change_set.ticket) == tuple(WHY.values())
        assert "OPS-4711" in text(operator.get(reverse("admin:operations_changeset_change", args=[change_set.pk])))


@pytest.mark.parametrize(
    "what",
    [pytest.param(k, marks=[] if k in ("edit", "retire", "ignore many") else pytest.mark.slow) for k in FORM_REQUESTS],
)
def test_a_reason_may_be_given_where_it_is_optional(what, operator, workspace, remote):
    address, values = FORM_REQUESTS[what](workspace, remote)
    done = operator.post(address, typed(operator, address, values))
    assert done.status_code == 302, text(done)
    if (page := operator.get(address)).status_code == 200 and what not in ("clean up", "undo", "revert", "ignore many"):
        assert "<summary>Add a reason</summary>" in page.content.decode()


def test_a_ticket_has_to_fit_the_pattern(operator, workspace, settings):
    address = f"{NUMBERS}{workspace.bound.pk}/rename/"
    for label, (pattern, ticket, required, status) in enumerate(
        [
            ("", "", True, 302),
            ("", "whatever", True, 302),
            (r"OPS-\d+", "OPS-12", True, 302),
            (r"OPS-\d+", "", True, 422),
            (r"OPS-\d+", "OPS-12 and more", False, 422),
            (r"OPS-\d+", "", False, 302),
            (r"(OPS-\d+)?", "", True, 302),
            (r"(OPS-\d+)?", "12", True, 422),
        ]
    ):
        settings.REQUIRE_REASON, settings.TICKET_PATTERN = required, pattern
        values = {"label": f"Night line {label}", "reason": "Asked by Ann", "ticket": ticket}
        answer = operator.post(address, typed(operator, address, values))
        assert answer.status_code == status, (pattern, ticket)
        if status == 422:
            assert pattern in answer.content.decode()
            assert answer.context["form"].errors.keys() == {"ticket"}


def test_no_service_writes_for_a_person_who_does_not_say_why(workspace, remote, settings):
    """Even if a page forgets to require it: the rule is enforced where operations and change sets are created."""
    settings.REQUIRE_REASON = True
    ada, before = User.objects.create(username="ada"), world(remote)
    with pytest.raises(ReasonRequired):
        numbers.assign(workspace.free, workspace.sales, shown="", key="a", actor=ada)
    with pytest.raises(ReasonRequired):
        agents.archive(workspace.sales, archived=True, key="b", actor=ada, justification=Justification("…"))
    with pytest.raises(ReasonRequired):
        numbers.delete_agent_with_numbers(workspace.support, None, key="c", actor=ada)
    with pytest.raises(ReasonRequired):
        orphans.release(["x"], key="d", asked_by=ada)
    held(workspace, remote)
    before = world(remote)
    with pytest.raises(ReasonRequired):
        holds.accept(Hold.objects.get(), actor=ada, name="ada")
    assert world(remote) == before
    assert numbers.assign(workspace.free, workspace.sales, shown="", key="e", actor=None).state == State.DONE


def test_a_page_that_drops_the_reason_reports_it(operator, workspace, remote, settings, monkeypatch):
    settings.REQUIRE_REASON = True
    monkeypatch.setattr("controlplane.audit.forms.JustificationForm.justification", Justification())
    address, before = f"{NUMBERS}{workspace.bound.pk}/release/", world(remote)
    answer = operator.post(address, typed(operator, address, WHY))
    assert (answer.status_code, world(remote)) == (422, before)
    assert "Enter a short reason." in text(answer)


def test_the_automatic_clean_up_needs_no_reason(workspace, remote, settings):
    settings.REQUIRE_REASON, settings.TICKET_PATTERN, settings.ORPHAN_CLEANUP = True, r"OPS-\d+", "auto"
    orphaned(workspace, remote)
    change_set = orphans.clean_up()
    assert change_set is not None
    change_sets.run_due()
    op = change_set.steps.get()
    assert (op.state, op.actor_name) == (State.DONE, "system")
    assert "ORPHAN_CLEANUP is auto." in op.reason


def test_reason_and_ticket_are_shown_found_and_taken_along(operator, sign_in, workspace):
    numbers.set_label(
        workspace.bound,
        "Night",
        shown="Main",
        key="k",
        actor=None,
        justification=Justification("Ann's <b> wish", "OPS-4711"),
    )
    auditor, op = sign_in("Auditors"), Operation.objects.get()
    entry = Entry.objects.get(kind="number.changed", cause_id=str(op.pk))
    assert (entry.reason, entry.ticket) == ("Ann's <b> wish", "OPS-4711")
    listed = auditor.get("/admin/audit/entry/", {"q": "4711"})
    assert {row.kind for row in listed.context_data["cl"].result_list} == {
        "operation.sent",
        "operation.done",
        "number.changed",
    }
    for page in (
        "/admin/audit/entry/?q=4711",
        f"/admin/audit/entry/{entry.pk}/change/",
        f"/admin/operations/operation/{op.pk}/change/",
    ):
        shown = auditor.get(page).content.decode()
        assert "Ann&#x27;s &lt;b&gt; wish" in shown
        assert "OPS-4711" in shown
    lines = b"".join(auditor.post("/admin/audit/entry/export/?q=4711", {"format": "jsonl"}).streaming_content)
    assert lines.count(b'"ticket": "OPS-4711"') == 3


def test_an_invalid_pattern_is_reported_at_startup(settings):
    assert tickets(None) == []
    settings.TICKET_PATTERN = "OPS-("
    assert [problem.id for problem in tickets(None)] == ["controlplane.E013"]
