"""How stale the mirror gets: the time from a change in the ElevenLabs console until a worker's sync has stored it."""

import random
import time
from typing import Any

import harness

AGENTS, NUMBERS = 2_000, 10_000
INTERVAL = 10  # seconds between syncs, short so that many samples fit into a few minutes
CHANGES = 20
POLL_EVERY_S = 0.02
TIMEOUT_S = 120.0


def measure() -> dict[str, Any]:
    from controlplane.mirror.models import SyncRun

    with (
        harness.remote("--agents", str(AGENTS), "--numbers", str(NUMBERS)) as sandbox,
        harness.workers(sandbox.url, SYNC_INTERVAL_SECONDS=str(INTERVAL)),
    ):
        until(lambda: SyncRun.objects.filter(state=SyncRun.State.COMPLETE).exists())
        return {"changes": [shown_after(sandbox) for _ in range(CHANGES)]}


def shown_after(sandbox: Any) -> float:
    """Seconds from a change in the console until the row has it."""
    from numbers.models import PhoneNumber

    number = random.choice(list(PhoneNumber.objects.values_list("remote_id", flat=True)))
    label = f"Changed {random.random()}"
    time.sleep(random.uniform(0, INTERVAL))  # at any time between two syncs
    sandbox.console("patch_number", number=number, patch={"label": label})
    began = time.monotonic()
    until(lambda: PhoneNumber.objects.filter(remote_id=number, label=label).exists())
    return time.monotonic() - began


def until(condition: Any) -> None:
    ends = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < ends, "the condition was not met in time"
        time.sleep(POLL_EVERY_S)


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{AGENTS:,} agents, {NUMBERS:,} numbers, worker and beat as `make run` starts them, a sync every "
        f"{INTERVAL} s. {CHANGES} changes of a number in the ElevenLabs console, at random times: seconds until the "
        "row has the change. The floor is the interval: no change is visible before the next list is read. Aim: at "
        "most the interval plus 2 s.\n\n"
    )
    rows = []
    for kind, found in results.items():
        mean, longest = sum(found["changes"]) / CHANGES, max(found["changes"])
        rows.append([kind, f"{mean:.1f}", f"{longest:.1f}", f"{longest / INTERVAL:.2f}"])
    return text + harness.table(["database", "mean", "max", "max / interval"], rows)


if __name__ == "__main__":
    harness.main("An external change", measure, section)
