"""How much time a swap adds to its three remote calls: the journal's three commits, the history, the mirror."""

import time
from typing import Any

import harness

ROUNDS = 300


def measure() -> dict[str, Any]:
    import requests

    from agents.models import Agent
    from numbers.models import PhoneNumber
    from numbers.sync import sync_all
    from tests import number_writes as services

    with harness.remote() as sandbox:
        agents = [sandbox.create_agent("Support Bot"), sandbox.create_agent("Sales Bot")]
        sandbox.import_number(agent_id=agents[0])
        sandbox.import_number("+15551230002", agent_id=agents[0])
        sandbox.advance(10)
        sync_all()
        number, bare = PhoneNumber.objects.order_by("phone_number")
        rows = {agent.remote_id: agent for agent in Agent.objects.all()}
        session = requests.Session()
        session.headers["xi-api-key"] = sandbox.key
        floor, swap = [], []
        for turn in range(ROUNDS):  # alternating, so that both run under the same load
            old, new = agents[turn % 2], agents[1 - turn % 2]
            began = time.perf_counter()
            session.get(f"{sandbox.url}/v1/convai/agents/{new}").json()
            path = f"{sandbox.url}/v1/convai/phone-numbers/{bare.remote_id}"
            session.get(path).json()
            session.patch(path, json={"agent_id": new}).json()
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            op = services.assign(number, rows[new], shown=old, key=f"swap-{turn}", actor=None)
            swap.append(time.perf_counter() - began)
            assert op.state == "done", op.message
        added = [mine - bare for mine, bare in zip(swap, floor, strict=True)]
    return {"floor": harness.percentiles(floor), "swap": harness.percentiles(swap), "added": harness.percentiles(added)}


def section(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        [
            kind,
            *(f"{found[what][cut]:.1f}" for cut in ("p50", "p95") for what in ("floor", "swap", "added")),
            f"{found['swap']['p50'] / found['floor']['p50']:.1f}",
        ]
        for kind, found in results.items()
    ]
    head = [
        "database",
        "floor p50",
        "swap p50",
        "added p50",
        "floor p95",
        "swap p95",
        "added p95",
        "swap / floor at p50",
    ]
    return (
        f"{ROUNDS} swaps, alternating with {ROUNDS} times the same three calls (GET agent, GET number, PATCH number) "
        "by plain `requests` to the same sandbox. Milliseconds. Aim: added p95 under 40.\n\n"
        + harness.table(head, rows)
    )


if __name__ == "__main__":
    harness.main("A swap", measure, section)
