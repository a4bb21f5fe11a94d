"""How old the picture gets: from a change in the console until a worker's sync has brought it here."""

import random
import time
from typing import Any

import harness

AGENTS, NUMBERS = 2_000, 10_000
INTERVAL = 10  # seconds between two syncs here, so that many samples fit into a few minutes
CHANGES = 20
LOOK_EVERY = 0.02
GIVE_UP = 120.0


def measure() -> dict[str, Any]:
    from controlplane.mirror.models import SyncRun

    with (
        harness.remote("--agents", str(AGENTS), "--numbers", str(NUMBERS)) as sandbox,
        harness.workers(sandbox.url, SYNC_INTERVAL_SECONDS=str(INTERVAL)),
    ):
        until(lambda: SyncRun.objects.filter(state=SyncRun.State.COMPLETE).exists())
        return {"changes": [shown_after(sandbox) for _ in range(CHANGES)]}


def shown_after(sandbox: Any) -> float:
    """Seconds from a change in the console to the row that shows it."""
    from numbers.models import PhoneNumber

    number = random.choice(list(PhoneNumber.objects.values_list("remote_id", flat=True)))
    label = f"Changed {random.random()}"
    time.sleep(random.uniform(0, INTERVAL))  # anywhere between two syncs
    sandbox.console("patch_number", number=number, patch={"label": label})
    began = time.monotonic()
    until(lambda: PhoneNumber.objects.filter(remote_id=number, label=label).exists())
    return time.monotonic() - began


def until(true: Any) -> None:
    ends = time.monotonic() + GIVE_UP
    while not true():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(LOOK_EVERY)


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{AGENTS:,} agents, {NUMBERS:,} numbers, worker and beat as `make run` starts them, a sync each {INTERVAL} s. "
        f"{CHANGES} changes of a number in the console, at moments of chance: seconds until the row here shows it. The "
        "floor is the interval: nothing tells of a change before the next listing. Aim: at most that and 2 s.\n\n"
    )
    rows = []
    for kind, found in results.items():
        mean, most = sum(found["changes"]) / CHANGES, max(found["changes"])
        rows.append([kind, f"{mean:.1f}", f"{most:.1f}", f"{most / INTERVAL:.2f}"])
    return text + harness.table(["database", "mean", "most", "most / interval"], rows)


if __name__ == "__main__":
    harness.main("A change made outside", measure, section)
