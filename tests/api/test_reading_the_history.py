"""Reading the history and exporting it are separate permissions, in the API as on the pages."""

import pytest

from controlplane.audit.models import Entry
from tests.api.caller import problem
from tests.api.test_lists import all_of

pytestmark = pytest.mark.django_db
PAGE = 50


@pytest.fixture(autouse=True)
def entries(db) -> None:
    Entry.objects.bulk_create(
        Entry(kind="agent.added", object_type="agent", object_id=f"agent_{at}", actor_name="x", cause="sync")
        for at in range(3 * PAGE)
    )


def exports() -> list[str]:
    exported = Entry.objects.filter(kind="history.exported").order_by("pk")
    return [f"{entry.actor_name} {entry.words}" for entry in exported]


def test_without_the_right_to_export_one_page_of_the_newest_is_all(call, look):
    for query in ("", "?limit=200", "?limit=200&what=agent"):
        page = call.get(f"/history{query}")
        assert (len(page["items"]), page["next"]) == (PAGE, None)
    assert len(call.get("/history?limit=3&what=agent")["items"]) == 3
    cursor = look.get("/history")["next"]
    for other in (cursor, "x"):
        assert "right to export" in problem(call("GET", f"/history?cursor={other}"), 403, "forbidden")["detail"]
    assert exports() == []


def test_older_entries_by_a_time_are_reading_on_too(call, look):
    query = "/history?until=2100-01-01T00:00:00Z"
    assert "right to export" in problem(call("GET", query), 403, "forbidden")["detail"]
    assert exports() == []
    look.get(query)
    assert exports() == ["anna exported through the API: until 2100-01-01T00:00:00Z"]


def test_reading_on_is_an_export_that_is_written_down_once(look):
    assert len(all_of(look, "/history?what=agent", 40)) == 3 * PAGE
    assert exports() == ["anna exported through the API: what agent"]
    assert len(all_of(look, "/history?what=agent", 200)) == 3 * PAGE
    assert len(exports()) == 2
    assert len(all_of(look, "/history?q=agent_1", 70)) == 61
    assert exports()[2:] == ["anna exported through the API: q agent_1"]


def test_looking_at_one_page_is_no_export_nor_is_a_wrong_cursor(look):
    cursor = look.get("/history")["next"]
    assert cursor is not None
    problem(look("GET", f"/history?cursor={cursor}&what=agent"), 422, "invalid")
    problem(look("GET", "/history?cursor=x"), 422, "invalid")
    assert exports() == []
