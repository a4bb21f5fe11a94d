"""The timeline is filtered by the query string, and shows how far it counted and searched."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection

from controlplane.audit.models import Entry
from controlplane.history import search, timeline
from controlplane.operations.models import ChangeSet, Operation

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/entry/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def auditor(sign_in):
    return sign_in("Auditors")


def write(kind: str, object_type: str, object_id: str, name: str = "", *, at: datetime = NOON, **more) -> int:
    """Create an entry with the given time instead of the current one."""
    row = {"actor_name": "system", "cause": "sync", "cause_id": "1"} | more
    entry = Entry(kind=kind, object_type=object_type, object_id=object_id, object_name=name, **row)
    entry._meta.get_field("at").auto_now_add = False
    try:
        entry.at = at
        entry.save(force_insert=True)
    finally:
        entry._meta.get_field("at").auto_now_add = True
    return entry.pk


@pytest.fixture
def entries(workspace, auditor) -> dict[str, int]:
    """One entry for each filter, in addition to those that signing in and the first sync recorded."""
    ada = User.objects.create_user("ada")
    change_set = ChangeSet.objects.create(key="set", title="Two moves", actor_name="ada")
    step = Operation.objects.create(kind="number.assign", resource="n", title="Move", change_set=change_set)
    bound, sales = workspace.bound.remote_id, workspace.sales.remote_id
    by_operation = {
        "actor": ada,
        "actor_name": "ada",
        "cause": "operation",
        "cause_id": str(step.pk),
        "reason": "INC-9",
    }
    return {
        "moved": write("number.changed", "number", bound, "+15550100001", at=NOON, **by_operation),
        "refused": write(
            "operation.refused", "number", bound, "+15550100001", at=NOON + timedelta(hours=1), **by_operation
        ),
        "run": write("agent.changed", "agent", sales, "Old Desk", at=NOON + timedelta(days=1), cause_id=str(step.pk)),
        "hold": write("hold.opened", "sync", "7", "40 of 300 numbers", at=NOON + timedelta(days=2)),
    }


def shown(client, entries: dict[str, int], **query: str) -> set[str]:
    answer = client.get(LIST, query)
    assert answer.status_code == 200
    rows = {row.pk for row in answer.context_data["cl"].result_list}
    return {name for name, pk in entries.items() if pk in rows}


def test_each_filter_alone_and_with_others(auditor, entries):
    for query, expected in [
        ({}, {"moved", "refused", "run", "hold"}),
        ({"what": "number"}, {"moved"}),
        ({"what": "agent.changed"}, {"run"}),
        ({"what": "nothing"}, set()),
        ({"verdict": "refused"}, {"refused"}),
        ({"verdict": "done"}, set()),
        ({"person": "ada"}, set()),
        ({"person": "system"}, {"run", "hold"}),
        ({"object_type": "number"}, {"moved", "refused"}),
        ({"object": "(555) 010-0001"}, set()),
        ({"object": "+1 555 010 0001"}, {"moved", "refused"}),
        ({"object": "sales bot"}, {"run"}),
        ({"object": "7"}, {"hold"}),
        ({"cause": "operation"}, {"moved", "refused"}),
        ({"change_set": "x"}, set()),
        ({"at_from_0": "2026-03-02"}, {"run", "hold"}),
        ({"at_to_0": "2026-03-01"}, {"moved", "refused"}),
        ({"at_from_0": "2026-03-01", "at_from_1": "12:00:01"}, {"refused", "run", "hold"}),
        ({"at_to_0": "2026-03-01", "at_to_1": "12:00:00"}, {"moved"}),
        ({"q": "INC-9"}, {"moved", "refused"}),
        ({"q": "old desk"}, {"run"}),
        ({"q": "Sales Bot"}, {"run"}),
        ({"q": "555 010 0001"}, {"moved", "refused"}),
        ({"q": "ada", "what": "number.changed"}, {"moved"}),
        ({"object_type": "number", "cause": "operation", "at_from_0": "2026-03-01", "verdict": "refused"}, {"refused"}),
    ]:
        assert shown(auditor, entries, **query) == expected, query


def test_by_person_and_by_change_set(auditor, entries):
    ada, change_set = User.objects.get(username="ada"), ChangeSet.objects.get()
    assert shown(auditor, entries, person=str(ada.pk)) == {"moved", "refused"}
    assert shown(auditor, entries, change_set=f"{change_set.pk}") == {"moved", "refused"}
    assert shown(auditor, entries, change_set=str(change_set.pk), verdict="refused") == {"refused"}


def test_a_time_that_is_none_is_not_left_out_in_silence(auditor, entries):
    answer = auditor.get(LIST, {"at_from_0": "yesterday"})
    assert (answer.status_code, answer.url) == (302, f"{LIST}?e=1")


def test_active_filters_are_shown_and_can_be_removed(auditor, entries):
    query = {"what": "number", "object": "<b>", "q": "x", "at_from_0": "2026-03-01"}
    answer = auditor.get(LIST, query)
    words = {one.title: one.words for one in answer.context_data["cl"].chosen}
    assert words["kind"] == "changes of numbers: all"
    assert words["time"] == "from 2026-03-01 00:00:00"
    (object_,) = (one for one in answer.context_data["cl"].chosen if one.words == "<b>")
    without = {name: value for name, value in query.items() if name != "object"}
    assert object_.without == f"?{urlencode(sorted(without.items()))}"
    assert "&lt;b&gt;" in answer.content.decode()
    assert "<b>" not in answer.content.decode()


def test_it_is_counted_so_far_only(auditor, entries, monkeypatch):
    monkeypatch.setattr(timeline, "MAX_COUNTED", 2)
    monkeypatch.setattr("controlplane.history.admin.EntryAdmin.list_per_page", 1)
    page = auditor.get(LIST, {"cause": "operation"}).content.decode()
    assert "more than" not in page
    answer = auditor.get(LIST)
    assert "more than 2 history entries" in answer.content.decode()
    assert answer.context_data["cl"].paginator.num_pages == 2
    limits = []

    def note(execute, sql, params, many, context):
        limits.append("COUNT(" not in sql or "LIMIT 3" in sql or "audit_entry" not in sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        auditor.get(LIST)
    assert all(limits)


def test_text_is_searched_as_far_back_as_the_page_states(auditor, entries, monkeypatch):
    newest = Entry.objects.filter(at__gt=NOON + timedelta(hours=2)).count()
    monkeypatch.setattr(search, "MAX_SCANNED", newest)
    assert shown(auditor, entries, q="INC-9") == {"refused"}
    answer = auditor.get(LIST, {"q": "INC-9"})
    assert "were searched back to 1 Mar 2026, 13:00:00 UTC" in answer.content.decode()
    further = auditor.get(LIST + answer.context_data["cl"].further_back)
    assert {row.pk for row in further.context_data["cl"].result_list} == {entries["moved"], entries["refused"]}
    assert "searched back to" not in further.content.decode()
    monkeypatch.setattr(search, "MAX_SCANNED", 1)
    assert shown(auditor, entries, q="Support Bot") == set()
    assert shown(auditor, entries, q="+15550100001") == {"moved", "refused"}  # names are searched without a limit
    assert shown(auditor, entries, q="ada") == {"moved", "refused"}
    exported = auditor.post(f"{LIST}export/?q=INC-9", {"format": "jsonl"})
    assert b"".join(exported.streaming_content).count(b"INC-9") == 2


def test_a_name_of_too_many_objects_is_only_searched_in_part(auditor, entries, monkeypatch):
    monkeypatch.setattr(search, "MAX_SCANNED", 1)
    assert "are found in all of the history" in auditor.get(LIST, {"q": "Sales"}).content.decode()
    monkeypatch.setattr(search, "MAX_OBJECTS", 0)
    page = auditor.get(LIST, {"q": "Sales"}).content.decode()
    assert "are found in all of the history" not in page
    assert "entries were searched back to" in page


def test_nothing_counts_each_choice_of_a_filter(auditor, entries):
    assert not auditor.get(LIST, {"_facets": "True"}).context_data["cl"].add_facets


def test_a_change_of_a_long_text_is_shown_from_where_it_begins(entries):
    old = "You are kind. " * 20
    entry = Entry(kind="agent.changed", before={"prompt": old + "Old."}, after={"prompt": old + "New."})
    assert entry.words == "prompt: …kind. You are kind. Old. → …kind. You are kind. New."


def test_a_search_with_too_many_matches_reports_it(auditor, entries, monkeypatch):
    monkeypatch.setattr(search, "MAX_RESULTS", 1)
    answer = auditor.get(LIST, {"q": "INC-9"})
    assert [row.pk for row in answer.context_data["cl"].result_list] == [entries["refused"]]
    assert "More than 1 entries match" in answer.content.decode()


def test_an_object_links_to_its_own_timeline(auditor, entries, workspace):
    page = auditor.get(f"/admin/numbers/phonenumber/{workspace.bound.pk}/change/").content.decode()
    address = f"?object_type=number&object={workspace.bound.remote_id}"
    assert address.replace("&", "&amp;") in page
    assert shown(auditor, entries, object_type="number", object=workspace.bound.remote_id) == {"moved", "refused"}
