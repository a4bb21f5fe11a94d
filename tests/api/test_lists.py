"""Cursor pagination of lists, with the same filters as on the pages."""

import random
from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber
from tests.api.caller import Caller, person, problem

pytestmark = pytest.mark.django_db


def all_of(call, path: str, limit: int = 3) -> list[dict]:
    """All rows, fetched page by page."""
    rows, cursor = [], ""
    while True:
        page = call.get(f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["items"]) <= limit
        rows += page["items"]
        if (cursor := page["next"]) is None:
            return rows


@pytest.fixture
def many(db) -> None:
    """Rows with equal sort values, so that only the primary key orders them."""
    for at in range(7):
        Agent.objects.create(remote_id=f"agent_{at}", name="Same" if at < 5 else "Zed", tags=["x"])
    sales = Agent.objects.get(remote_id="agent_6")
    for at in range(8):
        PhoneNumber.objects.create(
            remote_id=f"phnum_{at}", phone_number=f"+1555010{at // 3:04}", provider="twilio", listed_at=timezone.now(),
            agent=sales if at % 2 else None, bound_to="agent_6" if at % 2 else "",
        )  # fmt: skip
    for at in range(7):
        Operation.objects.create(
            key=f"k{at}", kind="agent.create", resource=f"r{at}", state="done", object_type="agent"
        )
    Entry.objects.bulk_create(
        Entry(kind="agent.added", object_type="agent", object_id=f"agent_{at}", actor_name="x", cause="sync")
        for at in range(7)
    )


@pytest.mark.parametrize(
    ("path", "model", "order"),
    [
        ("/agents", Agent, ("name", "pk")),
        ("/numbers", PhoneNumber, ("phone_number", "pk")),
        ("/operations", Operation, ("-pk",)),
        ("/history", Entry, ("-at", "-pk")),
    ],
)
def test_pages_hold_every_row_once_and_in_order(many, look, path, model, order):
    name = "remote_id" if model in (Agent, PhoneNumber) else "pk"
    for limit in (1, 3, model.objects.count(), 200):
        expected = list(model.objects.order_by(*order).values_list(name, flat=True))  # each export adds a history entry
        assert [row["id"] for row in all_of(look, path, limit)] == expected, limit


def test_a_row_that_comes_or_goes_meanwhile_shifts_nothing(many, look):
    first = look.get("/numbers?limit=3")
    PhoneNumber.objects.create(remote_id="phnum_new", phone_number="+10000000", listed_at=timezone.now())
    PhoneNumber.objects.filter(remote_id="phnum_0").update(gone_at=timezone.now())
    assert look.get(f"/numbers?limit=3&cursor={first['next']}")["items"][0]["id"] == "phnum_3"


def test_a_cursor_is_good_for_its_list_only_and_not_made_by_hand(many, look):
    good = look.get("/agents?limit=3")["next"]
    for path in (f"/numbers?cursor={good}", f"/agents?cursor={good[:-1]}", "/agents?cursor=x", "/agents?cursor=%C3%A9"):
        assert problem(look("GET", path), 422, "invalid")["fields"][0]["field"] == "cursor"
    for limit in ("0", "201", "x", "1e9", "9" * 50):
        assert problem(look("GET", f"/agents?limit={limit}"), 422, "invalid")["fields"][0]["field"] == "limit"


@pytest.mark.parametrize(
    ("path", "query", "others"),
    [
        ("/agents", "state=all", ["", "state=active", "state=all&q=Same"]),
        ("/numbers", "agent=agent_6", ["", "agent=agent_5", "agent=agent_6&provider=twilio"]),
        ("/operations", "state=done", ["", "state=refused", "state=done&kind=agent.create"]),
        ("/history", "since=2020-01-01", ["", "since=2021-01-01", "since=2020-01-01&what=agent"]),
    ],
)
def test_a_cursor_goes_on_with_the_filters_that_it_came_from(many, look, path, query, others):
    """Otherwise a caller that omits them on the second page would take other rows for matches."""
    cursor = look.get(f"{path}?{query}&limit=2")["next"]
    assert look.get(f"{path}?{query}&limit=1&cursor={cursor}")["items"], "the page size may change"
    for other in others:
        error = problem(look("GET", f"{path}?{other}&cursor={cursor}"), 422, "invalid")
        assert [one["field"] for one in error["fields"]] == ["cursor"], other


def test_the_cursor_of_the_longest_name_fits_into_a_url(look):
    odd = random.Random(7)
    for at in range(3):
        name = "".join(chr(odd.choice([0x10000, 0x1F300, 0x20000]) + odd.randrange(0xFFF)) for _ in range(300))
        Agent.objects.create(remote_id=f"agent_{at}", name=name)
    assert len(all_of(look, "/agents", limit=1)) == 3


NUMBERS = ["", "state=all", "state=assigned", "state=unassigned", "state=gone", "provider=twilio", "provider=x",
           "q=0001", "q=phnum_2", "agent={support}", "outside=open", "outside=open&state=all"]  # fmt: skip
AGENTS = ["", "state=all", "state=gone", "state=archived", "numbers=some", "numbers=none", "language=en", "language=de",
          "q=Sales", "q={support}", "tag=x", "outside=open"]  # fmt: skip
OPERATIONS = ["", "q=Main", "q=5550100001", "q=olga", "q=nobody", "object_type=number", "object_type=agent",
              "kind=number.assign", "verdict=done", "verdict=not_sent"]  # fmt: skip
HISTORY = ["", "what=number", "what=number.changed", "verdict=done", "person=system", "cause=sync", "object_type=agent",
           "object=%2B15550100001", "object={support}", "object=Support+Bot", "q=Support"]  # fmt: skip
PAGES = {
    "/numbers": ("/admin/numbers/phonenumber/", NUMBERS, lambda row: row.remote_id),
    "/agents": ("/admin/agents/agent/", AGENTS, lambda row: row.remote_id),
    "/operations": ("/admin/operations/operation/", OPERATIONS, lambda row: row.pk),
    "/history": ("/admin/audit/entry/", HISTORY, lambda row: row.pk),
}

VERDICT = {"/operations": "state="}  # named after the field of the row


@pytest.mark.parametrize("path", PAGES)
def test_filters_find_what_the_page_finds(path, remote, workspace, call, sign_in):
    remote.console("assign", number=workspace.bound.remote_id, agent_id=None)
    call("PATCH", f"/numbers/{workspace.bound.remote_id}/assign", {"agent_id": None})  # detects the external change
    call("PATCH", f"/numbers/{workspace.free.remote_id}/assign", {"agent_id": workspace.sales.remote_id})
    call("DELETE", f"/agents/{workspace.support.remote_id}")
    page, queries, name = PAGES[path]
    client, found = sign_in("Auditors"), set()
    reader = Caller(person("anna", "Auditors"))
    for query in queries:
        query = query.format(support=workspace.support.remote_id)
        shown = [name(row) for row in client.get(f"{page}?{query}").context["cl"].result_list]
        listed = [
            row["id"]
            for row in all_of(
                reader, f"{path}?{query}".replace("?verdict=", f"?{VERDICT.get(path, 'verdict=')}"), limit=200
            )
        ]
        if path == "/history":  # signing in to see the page adds an entry
            shown, listed = shown[-10:], listed[-10:]
        assert sorted(map(str, listed)) == sorted(map(str, shown)), query
        found.add(len(listed))
    assert len(found) > 1, "filters make a difference"


def test_times_of_the_history_are_a_span(many, look):
    now = timezone.now()
    first = Entry.objects.order_by("pk").first()
    for query, count in (
        (f"since={now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}&what=agent", 7),
        ("until=2001-01-01T00:00:00", 0),
    ):
        assert len(all_of(look, f"/history?{query}")) == count
    items = look.get("/history?object=agent_0&what=agent.added")["items"]
    assert [row["id"] for row in items] == [first.pk]


HOSTILE = [
    "..",
    ".",
    "%2e%2e%2fagents",
    "a" * 65,
    "a%20b",
    "a;b",
    "é",
    "%F0%9F%92%A3",
    "1%27--",
    "-1",
    "0",
    "9" * 30,
    "1.5",
]


def test_hostile_ids_are_nothing(remote, call, settings):
    places = [
        *(("GET", "/agents/{}"), ("PATCH", "/agents/{}"), ("DELETE", "/agents/{}")),
        *(("PATCH", "/numbers/{}/assign"), ("DELETE", "/numbers/{}")),
        *(("GET", "/operations/{}"), ("GET", "/change-sets/{}"), ("GET", "/sync/{}")),
    ]
    settings.API_RATE_PER_MINUTE = len(HOSTILE) * len(places)
    for ident, (method, path) in product(HOSTILE, places):
        body = {"agent_id": None} if "assign" in path else {"name": "x"} if method == "PATCH" else None
        answer = call(method, path.format(ident), body)
        assert answer.status_code in (404, 405, 422), (method, path, ident, answer.status_code)
        assert answer["Content-Type"] == "application/problem+json"
    assert remote.calls(path="/v1/*") == []


def test_403_comes_before_404_as_on_the_pages(look, remote):
    assert look("PATCH", "/agents/no_such", {"name": "x"}).status_code == 403
    assert look("PATCH", "/agents/no_such", {"nonsense": 1}).status_code == 403
    assert look("GET", "/agents/no_such").status_code == 404
