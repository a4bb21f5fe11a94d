"""The pages that staff use most, with 2,000 agents and 10,000 numbers."""

import re
import time
from typing import Any

import harness

AGENTS, NUMBERS, ROUNDS = 2_000, 10_000, 40
PAGES = {
    "Overview": "/admin/",
    "Numbers": "/admin/numbers/phonenumber/",
    "Numbers, last page": "/admin/numbers/phonenumber/?p=200",
    "Numbers, search of digits": "/admin/numbers/phonenumber/?q=555+01",
    "Numbers, filter by state": "/admin/numbers/phonenumber/?state=unassigned",
    "Numbers, sorted by agent": "/admin/numbers/phonenumber/?o=3",
    "Agents, cards": "/admin/agents/agent/",
    "Agents, list": "/admin/agents/agent/?look=list",
    "Agents, search": "/admin/agents/agent/?q=Sales",
    "One number": "/admin/numbers/phonenumber/1/change/",
    "Assign dialog": "/admin/numbers/phonenumber/1/assign/",
    "Activity": "/admin/operations/operation/",
}
FLOOR = "/admin/password_change/"


def measure() -> dict[str, Any]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from numbers.sync import sync_all

    call_command("collectstatic", interactive=False, verbosity=0)
    with harness.remote("--agents", str(AGENTS), "--numbers", str(NUMBERS)):
        run = sync_all()
        assert run is not None
        assert run.state == "complete", run.problem
        client = Client(headers={"Host": "127.0.0.1"})
        client.force_login(User.objects.create_superuser("bench"), "django.contrib.auth.backends.ModelBackend")
        found: dict[str, Any] = {}
        floor: list[float] = []
        for name, path in PAGES.items():
            times = []
            _get(client, path)
            queries = 0

            def count(execute: Any, *call: Any) -> Any:
                nonlocal queries
                queries += 1
                return execute(*call)

            with connection.execute_wrapper(count):
                page = _get(client, path)
            for _ in range(ROUNDS):
                floor.append(_time(client, FLOOR))
                times.append(_time(client, path))
            found[name] = harness.percentiles(times) | {"queries": queries, "size": len(page)}
        found["floor"] = harness.percentiles(floor)
    return found


def _time(client: Any, path: str) -> float:
    began = time.perf_counter()
    _get(client, path)
    return time.perf_counter() - began


def _get(client: Any, path: str) -> bytes:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    assert re.search(rb"</html>", answer.content)
    return bytes(answer.content)


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{AGENTS:,} agents and {NUMBERS:,} numbers, {ROUNDS} requests each with the test client, including all "
        "middleware. The floor is the theme's own page with one form and no list (change of password), requested "
        "alternately with each. Milliseconds. Aims: at most 12 queries, p95 under 300.\n"
    )
    for kind, found in results.items():
        floor = found.pop("floor")
        rows = [
            [name, page["queries"], f"{page['p50']:.0f}", f"{page['p95']:.0f}", f"{page['p50'] / floor['p50']:.1f}"]
            for name, page in found.items()
        ]
        text += (
            f"\n**{kind}**, floor p50 {floor['p50']:.0f}, p95 {floor['p95']:.0f}\n\n"
            + harness.table(["page", "queries", "p50", "p95", "page / floor at p50"], rows)
            + "\n"
        )
    return text


if __name__ == "__main__":
    harness.main("Pages of a large workspace", measure, section)
