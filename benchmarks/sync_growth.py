"""A sync of ten times as many numbers, compared with its floor: does its time grow faster than the number of rows?"""

import os
import resource
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any

import harness
from sync import WIDTH, Floor, empty, synced, timed

AGENTS = 50
FEW, MANY = 10_000, 100_000
ROUNDS = (FEW, FEW, MANY, FEW, FEW, MANY, FEW, FEW)  # interleaved, because a machine's speed varies over time
UNCHANGED = 2  # in each round

Pair = tuple[float, float]  # seconds of the floor and of the sync right after it


def measure() -> dict[str, Any]:
    """Return {"first" and "unchanged": {number count: pairs}, "memory": MB}."""
    from django.conf import settings

    first: dict[int, list[Pair]] = {FEW: [], MANY: []}
    unchanged: dict[int, list[Pair]] = {FEW: [], MANY: []}
    with ExitStack() as stack:
        sandboxes = {
            numbers: stack.enter_context(harness.remote("--agents", str(AGENTS), "--numbers", str(numbers)))
            for numbers in first
        }
        for numbers in ROUNDS:
            settings.ELEVENLABS_BASE_URL = sandboxes[numbers].url
            floor = Floor(sandboxes[numbers])
            alone = timed(partial(floor.everything, details=True))
            first[numbers].append((alone, synced(added=AGENTS + numbers)))
            for _ in range(UNCHANGED):
                alone = timed(partial(floor.everything, details=False))
                unchanged[numbers].append((alone, synced(added=0, changed=0)))
            empty()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": first, "unchanged": unchanged, "memory": memory}


def growth(few: float, many: float) -> float:
    return many / few / (MANY / FEW)


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{AGENTS} agents, {FEW:,} and {MANY:,} numbers alternately, no latency: seconds, medians of "
        f"{ROUNDS.count(FEW)} and {ROUNDS.count(MANY)} first runs into an empty database, and of {UNCHANGED} times as "
        "many unchanged runs. The floor is the same requests sent by plain `requests`, measured right before each. "
        "Growth is that of the time divided by that of the rows; the growth of the floor shows how much of it is due "
        "to the remote and the machine, and the last column is the growth of sync / floor. Aim: at most 1.1. The "
        "memory is the peak memory of the process in MB; aim: under 300.\n\n"
    )
    rows = []
    for kind, found in results.items():
        for what in ("first", "unchanged"):
            few, many = (found[what][str(numbers)] for numbers in (FEW, MANY))
            floors = [median(alone for alone, _ in pairs) for pairs in (few, many)]
            syncs = [median(took for _, took in pairs) for pairs in (few, many)]
            shares = [median(took / alone for alone, took in pairs) for pairs in (few, many)]
            rows.append(
                [kind, what]
                + [f"{seconds:.2f}" for pair in zip(floors, syncs, strict=True) for seconds in pair]
                + [f"{growth(*floors):.2f}", f"{growth(*syncs):.2f}", f"{shares[1] / shares[0]:.2f}"]
                + [f"{found['memory']:.0f}"]
            )
    head = ["database", "run"] + [f"{what}, {numbers:,}" for numbers in (FEW, MANY) for what in ("floor", "sync")]
    return text + harness.table([*head, "growth of the floor", "of the sync", "of sync / floor", "MB"], rows)


if __name__ == "__main__":
    os.environ["ELEVENLABS_MAX_CONCURRENCY"] = str(WIDTH)
    harness.main("Growth of a sync", measure, section)
