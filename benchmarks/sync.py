"""A sync compared with its floor: the same pages and details fetched by plain requests, parsed and discarded."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import harness
import requests

AGENTS, NUMBERS = 2_000, 10_000
UNCHANGED_AT = (50, 20, 0)  # ms that the sandbox adds to each call
FIRST_ROUNDS = {20: 3, 0: 1}  # by latency in ms
UNCHANGED_ROUNDS = 7
WIDTH = 2  # requests in flight, as in a sync


class Floor:
    """Reads without our client: one session per thread, JSON parsed by requests."""

    def __init__(self, sandbox: Any) -> None:
        self.url, self.key = sandbox.url, sandbox.key
        self.thread = threading.local()

    def get(self, path: str, **params: Any) -> Any:
        session = getattr(self.thread, "session", None)
        if session is None:
            session = self.thread.session = requests.Session()
            session.trust_env = False
            session.headers["xi-api-key"] = self.key
        answer = session.get(self.url + path, params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def pages(self, path: str, rows: str, **params: Any) -> list[str]:
        ids, cursor = [], None
        while True:
            page = self.get(path, page_size=100, **params, **({"cursor": cursor} if cursor else {}))
            ids += [row.get("agent_id", "") for row in page[rows]]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                return ids

    def everything(self, *, details: bool) -> None:
        self.get("/v1/user")
        agents = self.pages("/v1/convai/agents", "agents", archived="false")
        agents += self.pages("/v1/convai/agents", "agents", archived="true")
        read = agents if details else agents[:TRICKLE]
        with ThreadPoolExecutor(WIDTH) as pool:
            for _ in pool.map(lambda agent: self.get(f"/v1/convai/agents/{agent}"), read):
                pass
        self.pages("/v1/convai/v2/phone-numbers", "phone_numbers")


TRICKLE = 2  # details that an unchanged run reads again in any case, so that all 2,000 are read within a day


def timed(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def synced(**expected: int) -> float:
    from django.db import connection

    from controlplane.audit.models import Entry
    from numbers.sync import sync_all

    entries, updates = Entry.objects.count(), 0

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal updates
        updates += sql.startswith("UPDATE") and "mirror_syncrun" not in sql
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        began = time.perf_counter()
        run = sync_all()
        took = time.perf_counter() - began
    assert run is not None
    assert run.state == "complete", run.problem
    for name, value in expected.items():
        assert getattr(run, name) == value, (name, getattr(run, name), value)
    if not run.added:
        assert Entry.objects.count() == entries
        assert updates <= 1, updates  # one statement, for the details that were read again
    return took


def empty() -> None:
    from django.core.management import call_command
    from django.db import connection

    from controlplane.audit import triggers

    triggers.remove(connection)  # `flush` installs the triggers again
    call_command("flush", interactive=False, verbosity=0)


def compared_with_floor(latency: int) -> dict[str, float]:
    with harness.remote("--agents", str(AGENTS), "--numbers", str(NUMBERS), "--latency", str(latency)) as sandbox:
        floor = Floor(sandbox)
        floor.everything(details=False)
        found = first_compared_with_floor(floor, FIRST_ROUNDS[latency]) if latency in FIRST_ROUNDS else {}
        if not found:
            synced(added=AGENTS + NUMBERS)
        pairs = [
            (timed(lambda: floor.everything(details=False)), synced(added=0, changed=0))
            for _ in range(UNCHANGED_ROUNDS)
        ]
    empty()
    return found | {
        "unchanged floor": median(pair[0] for pair in pairs),
        "unchanged": median(pair[1] for pair in pairs),
    }


def first_compared_with_floor(floor: Floor, rounds: int) -> dict[str, float]:
    """Medians. Afterwards the database contains the result of the last run."""
    floors, firsts = [timed(lambda: floor.everything(details=True))], []
    for _ in range(rounds):
        empty()
        firsts.append(synced(added=AGENTS + NUMBERS))
        floors.append(timed(lambda: floor.everything(details=True)))
    return {"first floor": median(floors), "first": median(firsts)}


def measure() -> dict[str, Any]:
    return {f"{latency} ms": compared_with_floor(latency) for latency in UNCHANGED_AT}


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"First: {AGENTS:,} agents with their details and {NUMBERS:,} numbers into an empty database, at 20 ms the "
        f"median of {FIRST_ROUNDS[20]}. Unchanged: the same again, median of {UNCHANGED_ROUNDS}. The floor is the same "
        "requests sent by plain `requests` to the same sandbox, parsed and discarded: lists page by page, one after "
        f"the other, as a sync reads them, and {WIDTH} details at a time; measured before and after each first and "
        "before each unchanged run. The sandbox adds a latency to each call; real latencies are above 20 ms, and 0 "
        "shows the cost of a sync without waiting. Seconds. Aims: first at most 1.25 times the floor, unchanged at "
        "most 1.1 times. Each unchanged run was checked to make at most one UPDATE of rows and no history entry.\n"
    )
    rows = []
    for kind, found in results.items():
        for latency, seconds in found.items():
            for what in ("first", "unchanged"):
                if what not in seconds:
                    continue
                floor, took = seconds[f"{what} floor"], seconds[what]
                rows.append([kind, latency, what, f"{floor:.2f}", f"{took:.2f}", f"{took / floor:.2f}"])
    return text + "\n" + harness.table(["database", "latency", "run", "floor", "sync", "sync / floor"], rows)


if __name__ == "__main__":
    os.environ["ELEVENLABS_MAX_CONCURRENCY"] = str(WIDTH)
    harness.main("A sync", measure, section)
