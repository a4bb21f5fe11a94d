"""How long after the answer to a write was lost its result is known, with a real worker and a real beat."""

import random
import time
from typing import Any

import harness

WRITES = 30
PATIENCE_S = 60.0
FIRST_LOOK_S = 2.0  # `outcome.READ_BACK_AFTER_S[0]`: the result cannot be known sooner


def measure() -> dict[str, Any]:
    from agents.models import Agent
    from controlplane.operations.models import Operation, State
    from numbers.models import PhoneNumber
    from numbers.sync import sync_all
    from tests import number_writes as services

    with harness.remote("--agents", "2", "--numbers", "1", "--latency", "20") as sandbox:
        sync_all()
        line, (one, other) = PhoneNumber.objects.get(), Agent.objects.all()
        with harness.workers(sandbox.url):
            waits: list[float] = []
            for at in range(WRITES + 1):
                line.refresh_from_db()
                to = other if line.bound_to == one.remote_id else one
                sandbox.fault("PATCH", "/v1/convai/phone-numbers/*", "reset", when="after")
                op = services.assign(line, to, shown=line.bound_to, key=f"lost-{at}", actor=None)
                assert op.state == State.SENT, op.message
                lost, ends = op.settle_at.timestamp() - FIRST_LOOK_S, time.monotonic() + PATIENCE_S
                while Operation.objects.filter(pk=op.pk, state=State.SENT).exists():
                    assert time.monotonic() < ends, "no worker read it back"
                    time.sleep(0.05)
                op.refresh_from_db()
                assert op.state == State.DONE, op.message
                if at:  # worker and beat start during the first one
                    waits.append(op.ended_at.timestamp() - lost)
                time.sleep(random.uniform(0, 2))  # at any time between two ticks of beat
    return harness.percentiles(waits) | {"max": max(waits) * 1000}


def section(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        [
            kind,
            *(f"{found[cut] / 1000:.2f}" for cut in ("p50", "p95", "max")),
            f"{found['p50'] / 1000 / FIRST_LOOK_S:.2f}",
        ]
        for kind, found in results.items()
    ]
    return (
        f"{WRITES} moves that took effect and whose answer was lost (connection reset): seconds from the loss to the "
        f"result, with the worker and beat of `make run`. The floor is the first read-back, {FIRST_LOOK_S:.0f} s "
        "after the loss. Aim: 10 s.\n\n" + harness.table(["database", "p50", "p95", "max", "p50 / floor"], rows)
    )


if __name__ == "__main__":
    harness.main("A write whose answer was lost", measure, section)
