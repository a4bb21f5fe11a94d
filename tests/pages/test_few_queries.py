"""A page runs a fixed number of database queries, however many rows it shows."""

import pytest
from django.db import connection

from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber

pytestmark = pytest.mark.django_db

PAGES = [
    "/admin/",
    "/admin/numbers/phonenumber/",
    "/admin/agents/agent/",
    "/admin/operations/operation/",
    "/admin/mirror/syncrun/",
    "/admin/health/",
    "/admin/mirror/outsidechange/",
    "/admin/audit/entry/",
]


def executed_queries(client, path: str) -> list[str]:
    queries: list[str] = []

    def note(execute, sql, params, many, context):
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        assert client.get(path).status_code == 200
    return queries


@pytest.mark.parametrize("path", PAGES)
def test_the_lists_ask_at_most_twelve_times(operator, workspace, path):
    numbers = [PhoneNumber(remote_id=f"phnum_{at}", phone_number=f"+1555020{at:04}") for at in range(60)]
    PhoneNumber.objects.bulk_create(numbers)
    assert Operation.objects.count() == 0
    entries = [
        Entry(kind=f"{kind}.changed", object_type=kind, object_id=row.remote_id, actor_name="system", cause="sync")
        for kind, row in [("agent", workspace.sales), *(("number", number) for number in numbers)]
    ]
    Entry.objects.bulk_create(entries)
    OutsideChange.objects.bulk_create(
        OutsideChange(entry=entry, object_type=entry.object_type, object_id=entry.object_id) for entry in entries
    )
    queries = executed_queries(operator, path)
    assert 0 < len(queries) <= 12, "\n".join(queries)
