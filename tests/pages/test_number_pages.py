"""What staff see and can do on the pages of numbers. Forms are submitted as the page renders them, with their key."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber

pytestmark = pytest.mark.django_db

LIST = "/admin/numbers/phonenumber/"
SID, TOKEN = "AC" + "3" * 32, "tok3n-of-twilio-that-must-not-be-kept"


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    main = page[page.index("csrfmiddlewaretoken") :] if "csrfmiddlewaretoken" in page else page
    return dict(re.findall(r'<input type="hidden" name="(key|shown)" value="([^"]*)"', main))


def url(number: PhoneNumber, action: str) -> str:
    return f"{LIST}{number.pk}/{action}/"


def submit(client: Client, address: str, **typed: Any):
    page = client.get(address)
    assert page.status_code == 200, page.content
    return client.post(address, fields_of(page.content.decode()) | typed)


def page_text(client: Client, address: str = LIST) -> str:
    return re.sub(r"\s+", " ", client.get(address).content.decode())


def test_assign_reports_who_answers_from_now_on(operator, workspace, remote):
    answer = submit(operator, url(workspace.free, "assign"), agent=workspace.sales.pk)
    assert answer.status_code == 302
    assert f"Assigned +1 555 010 0002 to {workspace.sales}. Calls that come in from now on" in page_text(operator)
    number = remote.get(f"/v1/convai/phone-numbers/{workspace.free.remote_id}")
    assert number["assigned_agent"]["agent_id"] == workspace.sales.remote_id


def test_the_dialog_repeats_number_old_and_new_agent(operator, workspace):
    page = operator.get(url(workspace.bound, "assign"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert "+1 555 010 0001" in page
    assert workspace.support.id_suffix in page
    assert str(workspace.sales) in page


def test_from_the_dialog_it_goes_back_to_where_it_was_opened(operator, workspace):
    page = operator.get(url(workspace.free, "assign")).content.decode()
    here = "http://testserver/admin/numbers/phonenumber/?state=unassigned"
    answer = operator.post(
        url(workspace.free, "assign"),
        fields_of(page) | {"agent": workspace.sales.pk},
        headers={"HX-Request": "true", "HX-Current-URL": here},
    )
    assert answer.headers["HX-Redirect"] == here
    page = operator.get(url(workspace.bound, "release")).content.decode()
    answer = operator.post(
        url(workspace.bound, "release"),
        fields_of(page),
        headers={"HX-Request": "true", "HX-Current-URL": "http://evil.example/"},
    )
    assert answer.headers["HX-Redirect"] == LIST


def test_a_number_moved_meanwhile_is_shown_as_it_is_and_can_be_moved_from_there(operator, workspace, remote):
    address = url(workspace.bound, "assign")
    form = fields_of(operator.get(address).content.decode())
    night = remote.create_agent("Night Desk")
    remote.console("assign", number=workspace.bound.remote_id, agent_id=night)
    writes = len(remote.calls(method="PATCH"))

    answer = operator.post(address, form | {"agent": workspace.sales.pk})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Not sent." in page
    assert f"Night Desk …{night[-4:]}" in page
    assert len(remote.calls(method="PATCH")) == writes
    again = fields_of(page)
    assert again["shown"] == night
    assert again["key"] != form["key"]
    assert operator.post(address, again | {"agent": workspace.sales.pk}).status_code == 302
    number = remote.get(f"/v1/convai/phone-numbers/{workspace.bound.remote_id}")
    assert number["assigned_agent"]["agent_id"] == workspace.sales.remote_id


@pytest.mark.parametrize(
    ("action", "word"), [("delete_agent", "deleted at ElevenLabs"), ("archive_agent", "is archived")]
)
def test_an_agent_deleted_or_archived_meanwhile_is_not_assigned(operator, workspace, remote, action, word):
    address = url(workspace.free, "assign")
    form = fields_of(operator.get(address).content.decode())
    remote.console(action, agent_id=workspace.sales.remote_id)
    answer = operator.post(address, form | {"agent": workspace.sales.pk})
    assert answer.status_code == 422
    assert word in answer.content.decode()
    assert remote.get(f"/v1/convai/phone-numbers/{workspace.free.remote_id}")["assigned_agent"] is None


def test_release_rename_and_remove(operator, workspace, remote):
    assert submit(operator, url(workspace.bound, "release")).status_code == 302
    assert "will not be answered by an agent" in page_text(operator)
    assert submit(operator, url(workspace.bound, "rename"), label="Night").status_code == 302
    assert remote.get(f"/v1/convai/phone-numbers/{workspace.bound.remote_id}")["label"] == "Night"
    assert submit(operator, url(workspace.bound, "remove")).status_code == 302
    assert "It stays yours at Twilio" in page_text(operator)
    assert [row["phone_number"] for row in remote.get("/v1/convai/phone-numbers")] == ["+15550100002"]


def test_the_same_form_sent_twice_is_carried_out_once(operator, workspace, remote):
    address = url(workspace.free, "assign")
    form = fields_of(operator.get(address).content.decode()) | {"agent": workspace.sales.pk}
    assert operator.post(address, form).status_code == 302
    assert operator.post(address, form).status_code == 302
    assert len(remote.calls(method="PATCH")) == 1
    assert Operation.objects.count() == 1
    answer = operator.post(address, form | {"agent": workspace.support.pk})
    assert answer.status_code == 422
    assert "This form was already sent with other values" in answer.content.decode()


def test_an_unconfirmed_write_is_shown_as_such_and_can_be_checked(operator, workspace, remote):
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="after")
    answer = submit(operator, url(workspace.free, "assign"), agent=workspace.sales.pk)
    op = Operation.objects.get()
    assert answer.url == reverse("admin:operations_operation_change", args=[op.pk])
    page = page_text(operator, answer.url)
    assert "ElevenLabs may or may not have done it" in page
    assert "Check now" in page
    assert "Unconfirmed" in page_text(operator)
    other = submit(operator, url(workspace.free, "rename"), label="x")
    assert other.status_code == 422
    assert "Operators requested at" in other.content.decode()

    operator.post(f"/admin/operations/operation/{op.pk}/check/")
    op.refresh_from_db()
    assert op.state == State.DONE
    assert "Read back from ElevenLabs at " in op.evidence_text


def import_form(**changed: Any) -> dict[str, Any]:
    return {
        "phone_number": "+1 (415) 555-0123",
        "label": "Main",
        "sid": SID,
        "token": TOKEN,
        "account_auth_token": "",
        "region": "",
        "edge": "",
        "region_token": "",
    } | changed


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"sid": "AC123"}, "sid", "A SID is AC or SK followed by 32 characters"),
        ({"sid": "SK" + "a" * 32}, "account_auth_token", "needs the account"),
        ({"phone_number": "hello"}, "phone_number", "“hello” is not a phone number"),
        ({"phone_number": "+1 555"}, "phone_number", "too many or too few digits"),
        ({"token": ""}, "token", "This field is required"),
        ({"region": "ie1"}, "region_token", "A region needs its own auth token"),
        ({"edge": "dublin"}, "region", "Choose the region"),
        ({"phone_number": "+4072d3800439"}, "phone_number", "“+4072d3800439” has letters in it"),
        ({"token": "wrong-token"}, None, "ElevenLabs refused"),
        ({"phone_number": "+15005550001"}, "phone_number", "ElevenLabs refused"),
    ],
)
def test_a_rejected_import_shows_the_error_at_its_field_and_keeps_no_secret(
    operator, workspace, remote, changed, field, message
):
    numbers = PhoneNumber.objects.count()
    typed = import_form(**changed)
    answer = submit(operator, f"{LIST}add/", **typed)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in re.sub(r"\s+", " ", page)
    errors = answer.context["form"].errors
    assert message in str(errors[field] if field else errors)
    assert typed["phone_number"] in page  # input is kept, except for secrets
    assert typed["token"] not in page or not typed["token"]
    assert PhoneNumber.objects.count() == numbers
    assert TOKEN not in str(list(Operation.objects.values()))


def test_a_number_that_is_there_already_is_not_imported_again(operator, workspace, remote):
    remote.console("add_number", phone_number="+14155550123", agent_id=workspace.support.remote_id)
    remote.advance(10)
    answer = submit(operator, f"{LIST}add/", **import_form())
    assert answer.status_code == 422
    assert "is already in ElevenLabs, answered by Support Bot" in str(answer.context["form"].errors["phone_number"])


def test_an_import_is_propagating_then_listed(operator, workspace, remote):
    assert submit(operator, f"{LIST}add/", **import_form()).status_code == 302
    number = PhoneNumber.objects.get(phone_number="+14155550123")
    cells = operator.get(f"{LIST}{number.pk}/cells/").content.decode()
    assert "Importing" in cells
    assert "hx-get" in cells  # polls by itself
    assert "assign/" not in cells
    answer = submit(operator, f"{LIST}add/", **import_form())
    assert "+1 415 555 0123 is already on its way" in re.sub(r"\s+", " ", answer.content.decode())
    assert len(remote.calls(method="POST", path="/v1/convai/phone-numbers")) == 3  # two of them by the fixture


def test_deleting_an_agent_asks_what_becomes_of_its_numbers(operator, workspace):
    address = reverse("admin:numbers_retire_agent", args=[workspace.support.pk])
    page = operator.get(address).content.decode()
    assert "+1 555 010 0001" in page
    options = re.search(r"<select id=\"cp-agent\".*?</select>", page, re.DOTALL)
    assert options is not None
    assert str(workspace.sales) in options[0]
    assert str(workspace.support) not in options[0]
    answer = submit(operator, address, deed="move")
    assert answer.status_code == 422
    assert "Choose the agent that answers these numbers" in answer.content.decode()
    answer = submit(operator, address, deed="move", agent=workspace.sales.pk)
    change_set = ChangeSet.objects.get()
    assert answer.url == reverse("admin:operations_changeset_change", args=[change_set.pk])
    assert "0 of 2 steps done" in page_text(operator, answer.url)


def test_search_finds_a_number_by_any_of_its_digits_label_and_agent(operator, workspace):
    counts = {"(555) 010-0001": 1, "0100": 2, "Spare": 1, "Support": 1, "+15550100002": 1, "nothing": 0}
    assert {typed: operator.get(LIST, {"q": typed}).context["cl"].result_count for typed in counts} == counts


def test_a_number_is_found_however_it_is_stored(operator, workspace):
    for stored, typed in [
        ("+1 800 FLOWERS", "+1 800 FLOWERS"),
        ("+1 (415) 555-0123", "+1 (415) 555-0123"),
        ("+1 (415) 555-0123", "4155550123"),
        ("+14155550123", "415 555 0123"),
    ]:
        PhoneNumber.objects.filter(pk=workspace.free.pk).update(phone_number=stored)
        answer = operator.get(LIST, {"q": typed})
        assert [number.pk for number in answer.context["cl"].result_list] == [workspace.free.pk], (stored, typed)


def test_states_can_be_filtered_and_gone_ones_are_left_out(operator, workspace, remote):
    submit(operator, url(workspace.free, "remove"))
    assert operator.get(LIST).context["cl"].result_count == 1
    assert operator.get(LIST, {"state": "gone"}).context["cl"].result_count == 1
    assert operator.get(LIST, {"state": "all"}).context["cl"].result_count == 2
    assert operator.get(LIST, {"agent": workspace.support.remote_id}).context["cl"].result_count == 1
