"""The history with a million entries: first page, each filter, an object's page, the state at a moment, an export."""

import resource
import time
from typing import Any

import harness
import history_rows

ENTRIES, NUMBERS, AGENTS, PEOPLE, ROUNDS = 1_000_000, 10_000, 2_000, 40, 20
LIST = "/admin/audit/entry/"
FLOOR = "/admin/password_change/"
BUSY, RARE = history_rows.number(77), history_rows.agent(77)
TIMELINE = {
    "First page": "",
    "Page 200, the last one offered": "?p=200",
    "Kind: changes of agents": "?what=agent",
    "Kind: sync holds, 1 in 1,000": "?what=hold",
    "Kind: without entries": "?what=number.back",
    "Result: done": "?verdict=done",
    "Result: refused": "?verdict=refused",
    "Person": "?person=7",
    "Person: system": "?person=system",
    "Object type": "?object_type=agent",
    "One object, by number": f"?object={BUSY[1]}",
    "One object, as its page links to it": f"?object_type=agent&object={RARE[0]}",
    "Cause: external change": "?cause=sync",
    "Change set of 100 steps": "?change_set=1",
    "Time: one day a year ago": "?at_from_0=2024-12-01&at_to_0=2024-12-01",
    "Time: before the second month": "?at_to_0=2024-01-31",
    "Person, kind and month": "?person=7&what=operation&at_from_0=2024-06-01&at_to_0=2024-06-30",
    "Holds of a person who has none": "?person=7&what=hold",
    "Text: a number": f"?q={BUSY[1][2:]}",
    "Text: part of many agents' names": "?q=night+desk",
    "Text: a person": "?q=person7",
    "Text: a ticket of this month": f"?q=Ticket+{(ENTRIES - 4_000) % 90_000}",
    "Text: in no entry": "?q=xyzzy",
    "Text, person and kind": "?q=Agent+7&person=7&what=number.changed",
}
OBJECTS = {
    "Page of a number": "/admin/numbers/phonenumber/77/change/",
    "Page of an agent": "/admin/agents/agent/77/change/",
}


def measure() -> dict[str, Any]:
    from django.core.management import call_command
    from django.test import Client

    call_command("collectstatic", interactive=False, verbosity=0)
    began = time.perf_counter()
    admin = fill()
    found: dict[str, Any] = {"filled": time.perf_counter() - began}
    client = Client(headers={"Host": "127.0.0.1"})
    client.force_login(admin, "django.contrib.auth.backends.ModelBackend")
    floor: list[float] = []
    found["pages"] = {}
    for name, path in [*((name, LIST + query) for name, query in TIMELINE.items()), *OBJECTS.items()]:
        _time(client, path)
        times = []
        for _ in range(ROUNDS):
            floor.append(_time(client, FLOOR))
            times.append(_time(client, path))
        found["pages"][name] = harness.percentiles(times)
    found["floor"] = harness.percentiles(floor)
    found["states"] = _states()
    before = _memory()
    found["exports"] = {name: _export(client, name) for name in ("csv", "jsonl")}
    found["memory"] = {"before": before, "after": _memory()}
    return found


def fill() -> Any:
    """Fill the database; return a superuser."""
    from django.contrib.auth.models import User

    from agents.models import Agent
    from controlplane.operations.models import ChangeSet, Operation
    from numbers.models import PhoneNumber

    people = [User.objects.create_user(f"person{at}") for at in range(1, PEOPLE + 1)]
    agents, numbers = map(history_rows.agent, range(AGENTS)), map(history_rows.number, range(NUMBERS))
    Agent.objects.bulk_create(Agent(remote_id=own, name=name) for own, name in agents)
    PhoneNumber.objects.bulk_create(PhoneNumber(remote_id=own, phone_number=line) for own, line in numbers)
    change_set = ChangeSet.objects.create(key="bench", title="Bench", state="done")
    Operation.objects.bulk_create(
        Operation(kind="number.assign", resource=f"number:{at}", state="done", title="Move", change_set=change_set)
        for at in range(100)
    )
    who = [(person.pk, person.username) for person in people]
    history_rows.write(history_rows.rows(ENTRIES, numbers=NUMBERS, agents=AGENTS, people=who))
    return User.objects.create_superuser("bench")


def _time(client: Any, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    taken = time.perf_counter() - began
    assert answer.status_code == 200, (path, answer.status_code)
    assert b"</html>" in answer.content
    return taken


def _states() -> dict[str, float]:
    """Seconds to compute the state of each number at a moment."""
    from controlplane.audit.point_in_time import state_at

    first, each = history_rows.FIRST, history_rows.EACH
    taken = {}
    for name, share in (("a tenth", 0.1), ("half", 0.5), ("all", 1.0)):
        began = time.perf_counter()
        moment = first + share * (ENTRIES + history_rows.BEFORE) * each
        known = state_at("number", moment, ["phone_number", "label", "agent_id", "agent_name"])
        taken[name] = time.perf_counter() - began
        assert len(known) > 0.9 * NUMBERS
    return taken


def _export(client: Any, name: str) -> dict[str, float]:
    """Export everything and read it as a browser would: in chunks that are not kept."""
    began = time.perf_counter()
    answer = client.post(f"{LIST}export/", {"format": name})
    size = sum(len(part) for part in answer.streaming_content)
    seconds = time.perf_counter() - began
    assert size > ENTRIES * 100
    return {"seconds": seconds, "rate": ENTRIES / seconds, "size": size / 1e6}


def _memory() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{ENTRIES:,} entries of {NUMBERS:,} numbers, {AGENTS:,} agents and {PEOPLE} people, over two years; {ROUNDS} "
        "requests each with the test client, including all middleware. The floor is the theme's own page with one form "
        "and no list (change of password), requested alternately with each. Milliseconds. Aim: p95 under 500.\n"
    )
    for kind, found in results.items():
        floor = found["floor"]
        rows = [
            [name, f"{page['p50']:.0f}", f"{page['p95']:.0f}", f"{page['p50'] / floor['p50']:.1f}"]
            for name, page in found["pages"].items()
        ]
        text += (
            f"\n**{kind}**, floor p50 {floor['p50']:.0f}, p95 {floor['p95']:.0f}\n\n"
            + harness.table(["page", "p50", "p95", "page / floor at p50"], rows)
            + "\n"
        )
    text += (
        "\nThe state of each number at a moment, with that share of the entries before it: seconds. There is no aim "
        "for it.\n\n"
    )
    shares = ["a tenth", "half", "all"]
    text += harness.table(
        ["database", *shares],
        [[kind, *(f"{found['states'][share]:.2f}" for share in shares)] for kind, found in results.items()],
    )
    text += (
        f"\n\nAn export of all {ENTRIES:,} entries, and the peak memory of the process in MB before and after the "
        "exports. Aim: under 200.\n\n"
    )
    text += harness.table(
        ["database", "format", "seconds", "entries per second", "file, MB", "MB before", "MB after"],
        [
            [
                *(kind, name, f"{one['seconds']:.0f}", f"{one['rate']:,.0f}", f"{one['size']:.0f}"),
                *(f"{found['memory'][when]:.0f}" for when in ("before", "after")),
            ]
            for kind, found in results.items()
            for name, one in found["exports"].items()
        ],
    )
    return text


if __name__ == "__main__":
    harness.main("A history of a million entries", measure, section)
