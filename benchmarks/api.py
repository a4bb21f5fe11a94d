"""The lists of the API, with 100,000 numbers."""

import time
from datetime import timedelta
from typing import Any

import harness

AGENTS, NUMBERS, OPERATIONS, ROUNDS, ROWS = 2_000, 100_000, 20_000, 60, 100
AIM = 150  # ms, p95 of one page of numbers
FLOOR = "/healthz"


def measure() -> dict[str, Any]:
    from django.contrib.auth.models import Group, User
    from django.db import connection
    from django.test import Client

    from controlplane.api import tokens

    fill()
    user = User.objects.create_user("bench")
    user.groups.add(Group.objects.get(name="Operators"))
    token, _ = tokens.issue(user, name="bench", lives=timedelta(days=1), by=None, by_name="system")
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {tokens.access_token(token)}"}
    client = Client(headers=headers)

    found: dict[str, Any] = {}
    floor: list[float] = []
    for name, path in pages(client).items():
        queries = 0

        def count(execute: Any, *call: Any) -> Any:
            nonlocal queries
            queries += 1
            return execute(*call)

        _get(client, path)
        with connection.execute_wrapper(count):
            rows = len(_get(client, path).json().get("items", []))
        times = []
        for _ in range(ROUNDS):
            floor.append(_time(client, FLOOR))
            times.append(_time(client, path))
        found[name] = harness.percentiles(times) | {"queries": queries, "rows": rows}
    found["floor"] = harness.percentiles(floor)
    return found


def pages(client: Any) -> dict[str, str]:
    """URLs by name. One has the cursor of a page far back, which should cost as much as the first page."""
    from controlplane.api.paging import cursor_after
    from numbers.api import NumberFilters
    from numbers.models import PhoneNumber

    far = PhoneNumber.objects.order_by("phone_number")[NUMBERS * 9 // 10]
    cursor = cursor_after(far, "phone_number", name="numbers", narrowed=NumberFilters())
    one = PhoneNumber.objects.exclude(bound_to="").order_by("pk")[NUMBERS // 2]
    return {
        f"{ROWS} numbers": f"/api/numbers?limit={ROWS}",
        f"{ROWS} numbers, far back": f"/api/numbers?limit={ROWS}&cursor={cursor}",
        f"{ROWS} numbers, unassigned": f"/api/numbers?limit={ROWS}&state=unassigned",
        "Numbers, unconfirmed": f"/api/numbers?limit={ROWS}&state=unconfirmed",
        "Numbers of one agent": f"/api/numbers?limit={ROWS}&agent={one.bound_to}",
        "Numbers, search of all digits": f"/api/numbers?limit={ROWS}&q={one.phone_number[1:]}",
        f"{ROWS} agents": f"/api/agents?limit={ROWS}",
        "One agent": f"/api/agents/{one.bound_to}",
        f"{ROWS} entries of history": f"/api/history?limit={ROWS}",
    }


def fill() -> None:
    """Insert rows as a sync would create them, directly into the tables, because only reading is measured."""
    from django.conf import settings
    from django.db import connection
    from django.utils import timezone

    from agents.models import Agent
    from controlplane.audit.models import Entry
    from controlplane.operations.models import Operation
    from numbers.models import PhoneNumber

    settings.API_RATE_PER_MINUTE = 10_000_000
    now = timezone.now()
    Agent.objects.bulk_create(
        Agent(remote_id=f"agent_{at:06}", name=f"Agent {at}", remote_data={"conversation_config": {"agent": {}}})
        for at in range(AGENTS)
    )
    agents = dict(Agent.objects.values_list("remote_id", "pk"))
    PhoneNumber.objects.bulk_create(
        (
            PhoneNumber(
                remote_id=f"phnum_{at:07}",
                phone_number=f"+1555{at:07}",
                label=f"Line {at}",
                provider="twilio",
                listed_at=now,
                bound_to="" if at % 4 == 0 else (bound := f"agent_{at % AGENTS:06}"),
                agent_id=None if at % 4 == 0 else agents[bound],
            )
            for at in range(NUMBERS)
        ),
        batch_size=5_000,
    )
    long = {"conversation_config": {"agent": {"prompt": "x" * 1_000}}}
    Operation.objects.bulk_create(
        (
            Operation(
                key=f"bench-{at}",
                kind="number.assign",
                resource=f"number:phnum_{at:07}",
                state="sent" if at % 1_000 == 0 else "done",
                object_type="number",
                object_id=f"phnum_{at:07}",
                title="Assign it",
                before=long,
                observed=long,
            )
            for at in range(OPERATIONS)
        ),
        batch_size=1_000,
    )
    Entry.objects.bulk_create(
        (
            Entry(
                kind="number.added", object_type="number", object_id=f"phnum_{at:07}", actor_name="system", cause="sync"
            )
            for at in range(NUMBERS)
        ),
        batch_size=5_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _time(client: Any, path: str) -> float:
    began = time.perf_counter()
    _get(client, path)
    return time.perf_counter() - began


def _get(client: Any, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.content[:200])
    return answer


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{NUMBERS:,} numbers, {AGENTS:,} agents, {OPERATIONS:,} operations (one in a thousand open) and {NUMBERS:,} "
        f"history entries; {ROUNDS} requests each with the test client, including all middleware, the check of the "
        "token and its rate limit. The floor is `/healthz`, which runs no query, alternating with each. Milliseconds. "
        f"Aim: p95 of one page of {ROWS} numbers under {AIM}.\n"
    )
    for kind, found in results.items():
        floor = found.pop("floor")
        rows = []
        for name, page in found.items():
            times = (page["p50"], page["p95"], page["p50"] - floor["p50"])
            rows.append([name, page["rows"], page["queries"], *(f"{time:.1f}" for time in times)])
        text += (
            f"\n**{kind}**, floor p50 {floor['p50']:.1f}, p95 {floor['p95']:.1f}\n\n"
            + harness.table(["list", "rows", "queries", "p50", "p95", "p50 above the floor"], rows)
            + "\n"
        )
    return text


if __name__ == "__main__":
    harness.main("The API of a large workspace", measure, section)
