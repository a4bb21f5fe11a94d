"""A run that finds nothing new writes only its own row, and its queries grow with the pages, not with the rows."""

import gc
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from numbers.models import PhoneNumber
from tests.mirror.fixtures import changed, run_over_all
from tests.operations.clock import Clock
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db

WRITES = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
FOR_A_PAGE = 3  # the comparison, and sometimes an extension of the claim


def mirror_workspace(clock: Clock, agents: int, numbers: int) -> None:
    for model in (PhoneNumber, Agent, SyncRun):
        model.objects.all().delete()
    clock.remote.reset(agents=agents, numbers=numbers)
    run_over_all()
    run_over_all()


def queries(**options: object) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        run_over_all(**options)
    return [query["sql"] for query in captured.captured_queries]


def tables_written(sql: list[str]) -> set[str]:
    return {found[1] for query in sql if (found := WRITES.match(query))}


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_nothing_is_written_but_the_run(width, clock, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = width
    settings.DETAILS_REFRESH = 10**9
    mirror_workspace(clock, 12, 60)
    entries, calls = Entry.objects.count(), clock.remote.call_report()["last_id"]
    read_at = set(Agent.objects.values_list("pk", "details_read_at"))
    for _ in range(3):
        sql = queries()
        tables = tables_written(sql)
        assert tables <= {SyncRun._meta.db_table, Agent._meta.db_table}
        on_agents = [query for query in sql if Agent._meta.db_table in query and WRITES.match(query)]
        assert len(on_agents) <= 1, "only the time at which the details of one agent were read"
    assert (Entry.objects.count(), OutsideChange.objects.count()) == (entries, 0)
    assert len(set(Agent.objects.values_list("pk", "details_read_at")) - read_at) <= 3
    made = clock.remote.calls(since=calls, path="/v1/convai/*")
    assert len(made) == 3 * (2 + 1 + 1), "two lists of agents, one of numbers, the details of one agent"


def test_as_many_queries_for_a_hundred_rows_as_for_ten(clock):
    mirror_workspace(clock, 10, 10)
    ten = len(queries())
    mirror_workspace(clock, 40, 60)
    assert len(queries()) == ten


def test_a_page_costs_as_much_as_the_one_before(clock):
    mirror_workspace(clock, 0, 100)
    one = len(queries())
    mirror_workspace(clock, 0, 300)
    assert len(queries()) - one <= 2 * FOR_A_PAGE


@pytest.mark.parametrize("count", [pytest.param(10, marks=pytest.mark.slow), 40])
def test_changes_are_stored_together(count, clock):
    """Each row takes one UPDATE and no other query."""
    mirror_workspace(clock, 5, 60)
    rows = list(PhoneNumber.objects.order_by("pk")[:count])
    for row in rows:
        changed(clock, row, "New")
    sql = queries()
    on_numbers = [query for query in sql if query.startswith(f'UPDATE "{PhoneNumber._meta.db_table}"')]
    assert len(on_numbers) == count
    assert len(sql) - count < 60, "independent of the number of rows"
    assert OutsideChange.objects.count() == count
    assert mirror_differs(clock.remote) == []


def test_the_same_json_in_another_order_is_the_same(clock):
    mirror_workspace(clock, 0, 5)
    rows = clock.remote.get("/v1/convai/v2/phone-numbers")["phone_numbers"]
    turned = [dict(reversed(row.items())) for row in rows]
    body = {"phone_numbers": turned, "has_more": False, "next_cursor": None}
    clock.remote.fault("GET", "/v1/convai/v2/phone-numbers", "status", status=200, body=body)
    assert PhoneNumber._meta.db_table not in tables_written(queries())


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_new_row_is_written_once(width, clock, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = width
    clock.remote.reset(agents=8, numbers=60)
    sql = queries()
    updated = {found[1] for query in sql if (found := WRITES.match(query)) and query.startswith("UPDATE")}
    assert updated == {SyncRun._meta.db_table}
    assert (Agent.objects.count(), PhoneNumber.objects.count()) == (8, 60)
    assert not Agent.objects.filter(details_read_at=None).exists(), "the insert sets when the details were read"


def test_a_new_row_that_has_no_digest_is_stored(clock, monkeypatch):
    monkeypatch.setattr("numbers.sync.digest", lambda _: "")
    clock.remote.reset(agents=1, numbers=3)
    run_over_all()
    assert PhoneNumber.objects.count() == 3


def test_older_objects_are_not_scanned_by_the_garbage_collector(clock):
    frozen = []
    run_over_all(watch=lambda _: frozen.append(gc.get_freeze_count()))
    assert all(frozen[:-1])
    assert len(frozen) > 1
    assert gc.get_freeze_count() == 0
