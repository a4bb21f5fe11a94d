"""Activity: what staff see of an operation while it is open and afterwards, and how they find it again."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation, State
from controlplane.operations.settle import settle_due
from tests import agent_writes as agent_services
from tests import number_writes as services
from tests.pages.test_number_pages import submit, url

pytestmark = pytest.mark.django_db

LIST = "/admin/operations/operation/"


def page_of(row: Operation | ChangeSet) -> str:
    return reverse(f"admin:operations_{row._meta.model_name}_change", args=[row.pk])


def text_of(client: Client, address: str) -> str:
    """The text of the page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get(address).content.decode()))


def badge(client: Client) -> bool:
    """Whether the sidebar counts anything unconfirmed."""
    page = client.get("/admin/").content.decode()
    return re.search(r"<span>Activity</span>\s*<", page[: page.index("<span>Sync</span>")]) is not None and (
        "bg-orange-100" in page[page.index("<span>Activity</span>") : page.index("<span>Sync</span>")]
    )


@pytest.fixture
def unconfirmed(operator, workspace, remote) -> Operation:
    """An assignment that ElevenLabs carried out, but whose response was lost."""
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="after")
    answer = submit(operator, url(workspace.free, "assign"), agent=workspace.sales.pk)
    op = Operation.objects.get()
    assert op.state == State.SENT
    assert answer.url == page_of(op)
    return op


# --- One verdict only --------------------------------------------------------------------------------------
def test_an_open_operation_is_reported_only_on_its_own_page(operator, unconfirmed):
    page = text_of(operator, page_of(unconfirmed))
    assert page.count("may or may not have done it") == 1
    assert "Checking again at" in page


def test_once_decided_the_page_does_not_show_it_as_unknown(operator, unconfirmed):
    answer = operator.post(f"{LIST}{unconfirmed.pk}/check/")
    assert answer.url == page_of(unconfirmed)
    page = text_of(operator, answer.url)
    assert "may or may not" not in page
    assert page.count("Calls that come in from now on are answered by") == 1


def test_an_immediate_result_is_shown_where_the_action_was_started(operator, workspace):
    submit(operator, url(workspace.free, "assign"), agent=workspace.sales.pk)
    assert "Assigned +1 555 010 0002 to" in text_of(operator, "/admin/numbers/phonenumber/")


def test_the_fragment_reloads_the_page_once_decided_and_stops_polling(operator, unconfirmed):
    fragment = f"{LIST}{unconfirmed.pk}/verdict/"
    waiting = operator.get(fragment, headers={"HX-Request": "true"})
    assert "HX-Refresh" not in waiting.headers
    assert f'hx-get="{fragment}"' in waiting.content.decode()
    assert badge(operator)

    operator.post(f"{LIST}{unconfirmed.pk}/check/")

    assert operator.get(fragment, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    assert f'hx-get="{fragment}"' not in operator.get(page_of(unconfirmed)).content.decode()
    assert not badge(operator)


# --- Searching -------------------------------------------------------------------------------------------
@pytest.fixture
def two(workspace) -> tuple[Operation, Operation]:
    assigned = services.assign(workspace.free, workspace.sales, shown="", key="a", actor=None)
    archived = agent_services.archive(workspace.support, archived=True, key="b", actor=None)
    assert (assigned.state, archived.state) == (State.DONE, State.DONE)
    return assigned, archived


def found(client: Client, query: str, **more: str) -> set[str]:
    answer = client.get(LIST, {"q": query, **more})
    assert answer.status_code == 200
    return {op.title for op in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    "query", ["5550100002", "+15550100002", "(555) 010-0002", "555.010.0002", "+1 555 010 0002", "0100002"]
)
def test_a_number_is_found_however_it_is_typed(operator, two, query):
    assert found(operator, query) == {two[0].title}


def test_the_last_four_characters_of_an_id_find_its_object(operator, workspace, two):
    sales, number = workspace.sales.remote_id[-4:], workspace.free.remote_id[-4:]
    assert two[0].title in found(operator, f"…{sales}")
    assert two[0].title in found(operator, sales)
    assert two[0].title in found(operator, number)
    assert found(operator, two[1].trace_id) == {two[1].title}
    assert found(operator, "archive support") == {two[1].title}
    assert found(operator, "99999999999") == set()


def test_kinds_are_words(operator, two):
    page = text_of(operator, LIST)
    assert "Archive or restore agent" in page
    assert "Import number" in page
    assert not re.search(r"\b(agent|number)\.[a-z]+\b", page)
    assert found(operator, "", kind="agent.archive") == {two[1].title}


def test_a_row_is_one_line_with_the_whole_trace_id_on_hover(operator, two):
    page = operator.get(LIST).content.decode()
    trace_id = two[0].trace_id
    assert f'title="{trace_id}">{trace_id[:8]}…<' in page
    assert f"{two[0].milliseconds} ms" in text_of(operator, LIST)
    assert "Milliseconds" not in page


# --- Names before ids -------------------------------------------------------------------------------------------
def test_values_are_shown_by_name_followed_by_id(operator, workspace):
    support, sales = workspace.support, workspace.sales
    op = services.assign(workspace.bound, sales, shown=support.remote_id, key="k", actor=None)
    page = text_of(operator, page_of(op))
    assert f"From {support} ({support.remote_id})" in page
    assert f"To {sales} ({sales.remote_id})" in page
    assert f"Before, read just ahead of sending Agent {support} ({support.remote_id})" in page
    assert f"Seen after Agent {sales} ({sales.remote_id})" in page
    assert "agent id" not in page

    released = services.assign(workspace.bound, None, shown=sales.remote_id, key="l", actor=None)
    page = text_of(operator, page_of(released))
    assert "To no agent" in page
    assert "Seen after Agent no agent" in page


def test_the_settings_of_an_agent_are_words(operator, workspace):
    body = {"conversation_config": {"agent": {"first_message": "Hello", "language": "en"}, "tts": {"voice_id": "v"}}}
    made = Operation(
        kind="agent.create",
        object_type="agent",
        title="x",
        params={"name": "Night", "body": body},
        observed={"name": "Night"},
    )
    made.save()
    page = text_of(operator, page_of(made))
    for row in ("Name Night", "First message Hello", "Language en", "Voice id v"):
        assert row in page
    assert "conversation" not in page
    archived = agent_services.archive(workspace.support, archived=True, key="b", actor=None)
    assert "Wanted Archived yes" in text_of(operator, page_of(archived))


# --- Change sets ------------------------------------------------------------------------------------------------
@pytest.fixture
def retiring(workspace) -> ChangeSet:
    return services.delete_agent_with_numbers(workspace.support, workspace.sales, key="c", actor=None)


def test_a_change_set_behind_an_unconfirmed_step_shows_what_it_waits_for(operator, retiring, remote):
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="after")
    change_sets.run_due()
    step = change_sets.current_steps(retiring)[0]
    assert step.state == State.SENT
    page = text_of(operator, page_of(retiring))
    assert f"Waiting for step 1 : ElevenLabs&#x27; answer was lost; checking again at {step.settle_at:%H:%M:%S}" in (
        page.replace("'", "&#x27;")
    )
    assert "Check now" in page
    assert "A worker runs the steps" not in page

    answer = operator.post(f"{LIST}{step.pk}/check/", {"back": "change_set"})

    assert answer.url == page_of(retiring)
    page = text_of(operator, answer.url)
    assert "1 of 2 steps done" in page
    assert "Waiting for" not in page


def test_a_change_set_without_a_worker_shows_that_and_continues_by_itself(operator, retiring):
    assert "A worker runs the steps" in text_of(operator, page_of(retiring))
    ChangeSet.objects.update(claimed_until=timezone.now() - timedelta(seconds=40))
    page = text_of(operator, page_of(retiring))
    assert "No worker has picked this up yet. It starts by itself once a worker runs" in page
    assert "A worker runs the steps" not in page

    change_sets.run_due()

    fragment = operator.get(f"/admin/operations/changeset/{retiring.pk}/steps/", headers={"HX-Request": "true"})
    assert fragment.headers["HX-Refresh"] == "true"
    page = operator.get(page_of(retiring)).content.decode()
    assert "2 of 2 steps done" in page
    assert f'hx-get="/admin/operations/changeset/{retiring.pk}/steps/"' not in page


def test_a_step_that_was_settled_just_now_is_no_sign_of_a_missing_worker(operator, retiring, remote):
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="after")
    change_sets.run_due()
    Operation.objects.filter(state="sent").update(settle_at=timezone.now())
    assert settle_due() == 1
    ChangeSet.objects.update(claimed_until=timezone.now() - timedelta(seconds=40))
    assert "A worker runs the steps" in text_of(operator, page_of(retiring))


def test_check_now_goes_to_the_operation_where_it_was_pressed_there(operator, unconfirmed):
    answer = operator.post(f"{LIST}{unconfirmed.pk}/check/", {"back": "change_set"})
    assert answer.url == page_of(unconfirmed)
