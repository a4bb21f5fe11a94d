"""The pages of external changes: their content, their permissions, and that large numbers of them stay manageable."""

import re
import uuid

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber
from numbers.sync import sync_all

pytestmark = pytest.mark.django_db

LIST = "/admin/mirror/outsidechange/"


def page_of(change: OutsideChange, action: str = "change") -> str:
    return reverse(f"admin:mirror_outsidechange_{action}", args=[change.pk])


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def post(client: Client, change: OutsideChange, action: str, **data: str):
    return client.post(page_of(change, action), {"key": str(uuid.uuid4()), **data})


@pytest.fixture
def moved(workspace, remote) -> OutsideChange:
    """The assigned number was moved from Support Bot to Sales Bot in the console."""
    remote.console("assign", number=workspace.bound.remote_id, agent_id=workspace.sales.remote_id)
    sync_all()
    return OutsideChange.objects.select_related("entry").get()


def person(*codes: str) -> Client:
    user = User.objects.create_user(uuid.uuid4().hex, is_staff=True)
    for code in codes:
        label, codename = code.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


# --- Content ----------------------------------------------------------------------------------------------------------
def test_the_page_shows_both_values_and_when_it_happened(operator, workspace, moved):
    shown = text(operator.get(page_of(moved)))
    assert f"Before {workspace.support} ({workspace.support.remote_id})" in shown
    assert f"After {workspace.sales} ({workspace.sales.remote_id})" in shown
    since, found = f"{moved.since:%H:%M:%S}", f"{moved.found_at:%H:%M:%S}"
    assert re.search(rf"between \d+ \w+ \d+, {since} and {found} UTC", shown)
    links = operator.get(page_of(moved)).content.decode()
    assert reverse("admin:mirror_syncrun_change", args=[moved.run_id]) in links
    assert reverse("admin:numbers_phonenumber_change", args=[workspace.bound.pk]) in links


def test_the_list_and_the_overview_show_that_it_needs_attention(operator, workspace, moved):
    assert "agent: Support Bot" in text(operator.get(LIST))
    front = operator.get("/admin/").content.decode()
    assert f'<a class="cp-link" href="{LIST}">1 change</a> made outside this app' in front
    post(operator, moved, "adopt")
    assert "made outside this app" not in text(operator.get("/admin/"))
    assert "Support Bot" not in text(operator.get(LIST, follow=True)).partition("No matches")[2]


def test_rows_and_pages_of_what_was_changed_are_marked(operator, remote, workspace, moved):
    remote.advance(2)
    remote.console("rename_agent", agent_id=workspace.sales.remote_id, name="Console Bot")
    sync_all()
    renamed = OutsideChange.objects.get(object_type="agent")
    numbers = reverse("admin:numbers_phonenumber_changelist")
    for path, change in (
        (numbers, moved),
        (reverse("admin:numbers_phonenumber_change", args=[workspace.bound.pk]), moved),
        (reverse("admin:agents_agent_changelist"), renamed),
        (reverse("admin:agents_agent_changelist") + "?look=list", renamed),
        (reverse("admin:agents_agent_change", args=[workspace.sales.pk]), renamed),
    ):
        page = operator.get(path).content.decode()
        assert page.count(page_of(change)) == 1, path
        assert person("numbers.view_phonenumber", "agents.view_agent").get(path).content.decode().count(LIST) == 0
    page_text = text(operator.get(reverse("admin:agents_agent_change", args=[workspace.sales.pk])))
    assert "Changed outside this app: name: Sales Bot → Console Bot , between" in page_text


def test_the_filters_show_what_was_changed_and_nothing_else(operator, remote, workspace, moved):
    remote.console("delete_number", number=workspace.free.remote_id)
    sync_all()
    sync_all()
    numbers = reverse("admin:numbers_phonenumber_changelist")
    page = operator.get(numbers).content.decode()
    [chip] = re.findall(r'<a href="([^"]*outside=open[^"]*)"[^>]*>Changed outside this app<', page)
    shown = operator.get(numbers + chip.replace("&amp;", "&")).context_data["cl"].result_list
    assert {number.pk for number in shown} == {workspace.bound.pk, workspace.free.pk}, "including the deleted one"
    remote.advance(2)
    remote.console("rename_agent", agent_id=workspace.sales.remote_id, name="Console Bot")
    sync_all()
    agents = operator.get(reverse("admin:agents_agent_changelist"), {"outside": "open"}).context_data["cl"].result_list
    assert [agent.name for agent in agents] == ["Console Bot"]
    for change in OutsideChange.objects.all():
        post(operator, change, "ignore")
    assert list(operator.get(numbers, {"outside": "open"}).context_data["cl"].result_list) == []


def test_the_list_is_searched_and_filtered_by_its_address(operator, workspace, moved):
    for query, found in [
        ({}, 1),
        ({"q": "(555) 010-0001"}, 1),
        ({"q": "5550100002"}, 0),
        ({"q": f"…{workspace.bound.remote_id[-4:]}"}, 1),
        ({"of": "number"}, 1),
        ({"of": "agent"}, 0),
        ({"state": "adopted"}, 0),
        ({"state": "all"}, 1),
    ]:
        assert operator.get(LIST, query).context_data["cl"].result_count == found, query


# --- Decisions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "state", "shown"), [("adopt", "adopted", "accepted"), ("ignore", "ignored", "dismissed")]
)
def test_adopt_and_ignore_send_nothing_and_name_who_decided(action, state, shown, operator, remote, moved):
    before = remote.ledger()
    answer = operator.post(page_of(moved, action), follow=True)
    assert f"{shown.capitalize()}: +1 555 010 0001: agent: Support Bot" in text(answer)
    moved.refresh_from_db()
    assert (moved.state, moved.decided_by_name) == (state, "Operators")
    assert remote.ledger() == before
    again = operator.post(page_of(moved, "adopt"), follow=True)
    assert f"Operators decided this change first: {shown}." in text(again)
    moved.refresh_from_db()
    assert moved.state == state
    assert f"{shown.capitalize()} by Operators" in text(operator.get(page_of(moved)))
    entry = Entry.objects.get(kind=f"outside.{state}")
    assert (entry.words.partition(":")[0], entry.cause_id) == (f"external change {shown}", f"outside change {moved.pk}")
    assert f"clean-up (external change {moved.pk})" in text(operator.get(f"/admin/audit/entry/{entry.pk}/change/"))


def test_revert_shows_old_and_new_and_puts_it_back(operator, remote, workspace, moved):
    dialog = text(operator.get(page_of(moved, "revert")))
    assert f"Now {workspace.sales}" in dialog
    assert f"Then {workspace.support}" in dialog
    assert "if it has changed meanwhile, nothing is sent" in dialog
    answer = operator.post(page_of(moved, "revert"), {"key": str(uuid.uuid4())}, follow=True)
    assert "Moved +1 555 010 0001 from Sales Bot" in text(answer)
    number = remote.get(f"/v1/convai/phone-numbers/{workspace.bound.remote_id}")
    assert number["assigned_agent"]["agent_id"] == workspace.support.remote_id
    shown = text(operator.get(page_of(moved)))
    assert "Current value" not in shown
    assert "Reverted by Move +1 555 010 0001 from Sales Bot" in shown
    assert "<h2>Decision" not in shown


def test_a_stale_revert_shows_the_current_value(operator, remote, workspace, moved):
    remote.console("assign", number=workspace.bound.remote_id, agent_id=None)
    answer = post(operator, moved, "revert")
    assert answer.status_code == 422
    shown = text(answer)
    assert "Not sent. +1 555 010 0001 is with no agent now" in shown
    assert "Current value: no agent" in shown
    moved.refresh_from_db()
    assert moved.state == "open"
    page = operator.get(page_of(moved)).content.decode()
    assert page_of(moved, "revert") not in page
    assert "Tried to revert" in page


def test_a_double_click_leads_to_the_same_page_twice(operator, remote, moved):
    key = str(uuid.uuid4())
    answers = [operator.post(page_of(moved, "revert"), {"key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].url == answers[1].url
    assert Operation.objects.count() == 1
    assert len(remote.calls(method="PATCH", path="/v1/*")) == 1


def test_an_irreversible_change_explains_why_and_links_to_alternatives(operator, remote, workspace):
    remote.console("add_number", phone_number="+15550109999")
    remote.advance(10)
    sync_all()
    added = OutsideChange.objects.get()
    page = operator.get(page_of(added)).content.decode()
    assert "Remove it from ElevenLabs instead." in page
    number = PhoneNumber.objects.get(phone_number="+15550109999")
    assert reverse("admin:numbers_phonenumber_remove", args=[number.pk]) in page
    assert page_of(added, "revert") not in page
    assert post(operator, added, "revert").status_code == 422
    assert Operation.objects.count() == 0


@pytest.mark.parametrize(
    ("codes", "buttons", "status"),
    [
        (["mirror.view_outsidechange"], [], 403),
        (["mirror.view_outsidechange", "numbers.assign_phonenumber"], [], 403),
        (["mirror.view_outsidechange", "mirror.decide_outsidechange"], ["adopt", "ignore"], 403),
        (
            ["mirror.view_outsidechange", "mirror.decide_outsidechange", "numbers.change_phonenumber"],
            ["adopt", "ignore"],
            403,
        ),
        (
            ["mirror.view_outsidechange", "mirror.decide_outsidechange", "numbers.assign_phonenumber"],
            ["adopt", "ignore", "revert"],
            302,
        ),
    ],
)
def test_a_revert_needs_the_right_to_the_write_itself(codes, buttons, status, moved):
    client = person(*codes)
    page = client.get(page_of(moved)).content.decode()
    assert [action for action in ("adopt", "ignore", "revert") if page_of(moved, action) in page] == buttons
    assert post(client, moved, "revert").status_code == status
    moved.refresh_from_db()
    assert moved.state == ("reverted" if status == 302 else "open")


# --- Bulk decisions --------------------------------------------------------------------------------------------------
@pytest.fixture
def many(workspace, remote) -> int:
    for at in range(120):
        remote.console("add_number", phone_number=f"+1555040{at:04}", label=f"Script {at}")
    remote.console("rename_agent", agent_id=workspace.sales.remote_id, name="Script Bot")
    remote.advance(10)
    sync_all()
    return OutsideChange.objects.count()


def test_a_selection_and_all_that_the_filter_shows(operator, many):
    shown = [change.pk for change in operator.get(LIST, {"of": "number"}).context_data["cl"].result_list]
    answer = operator.post(f"{LIST}?of=number", {"action": "ignore", "_selected_action": shown[:3]}, follow=True)
    assert "Dismissed 3 external changes. Nothing was sent to ElevenLabs." in text(answer)
    everything = {"action": "adopt", "_selected_action": shown[3:5], "select_across": "1"}
    answer = operator.post(f"{LIST}?of=number", everything, follow=True)
    assert "Accepted 117 external changes." in text(answer)
    assert list(OutsideChange.objects.filter(state="open").values_list("object_type", flat=True)) == ["agent"]


def test_an_auditor_selects_nothing_and_decides_nothing(sign_in, many):
    auditor = sign_in("Auditors")
    page = auditor.get(LIST)
    assert "_selected_action" not in page.content.decode()
    pks = list(OutsideChange.objects.values_list("pk", flat=True))
    auditor.post(LIST, {"action": "adopt", "_selected_action": pks, "select_across": "1"})
    assert OutsideChange.objects.filter(state="open").count() == many


# --- Hostile values ---------------------------------------------------------------------------------------------------
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</title></textarea></details><b>",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "‮toB troppuS",
]


# All tags in one text. Characters that change the text direction are separate, so that no shortened text drops them.
@pytest.mark.parametrize(
    "value",
    ["".join(HOSTILE[:-1]), HOSTILE[-1], *(pytest.param(one, marks=pytest.mark.slow) for one in HOSTILE[:-1])],
)
def test_what_the_console_wrote_stays_text(value, operator, remote, workspace):
    prompt = {"agent": {"first_message": value, "prompt": {"prompt": f"{value}\n" * 30}}}
    remote.advance(2)
    patch = {"name": value, "tags": [value], "conversation_config": prompt}
    remote.console("patch_agent", agent_id=workspace.sales.remote_id, patch=patch)
    remote.console("patch_number", number=workspace.bound.remote_id, patch={"label": value})
    sync_all()
    changes = list(OutsideChange.objects.all())
    assert {change.object_type for change in changes} == {"agent", "number"}
    paths = [LIST, "/admin/", *(page_of(change, action) for change in changes for action in ("change", "revert"))]
    paths += [workspace_page(row) for row in (*Agent.objects.all(), *PhoneNumber.objects.all())]
    for path in paths:
        page = operator.get(path).content.decode()
        assert not re.search(r"<script>alert|<img src=x|</title></textarea>|<b>", page), path
        assert "‮" not in re.sub(r"<(textarea|pre).*?</\1>|value=\"[^\"]*\"", "", page, flags=re.S), path
        assert "{% now" in page if "{%" in value and "outsidechange/" in path else True


def workspace_page(row: Agent | PhoneNumber) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
