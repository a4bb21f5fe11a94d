"""How old the picture gets: with a real worker and beat, a change at the remote until it stands here."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import harness
import requests

AGENTS, NUMBERS = 2_000, 10_000
INTERVAL = 10  # seconds between two syncs here, so that many samples fit into a few minutes
CHANGES, IMPORTS = 12, 12
LOOK_EVERY = 0.02
GIVE_UP = 60.0


def until(true: Callable[[], Any]) -> Any:
    began = time.monotonic()
    while not (found := true()):
        if time.monotonic() - began > GIVE_UP:
            raise AssertionError("it never came true")
        time.sleep(LOOK_EVERY)
    return found


@contextmanager
def workers(remote: Any) -> Iterator[None]:
    """Worker and beat as `make run` starts them, on this run's database, with the broker that goes with it."""
    from django.conf import settings

    from controlplane.management.commands.up import processes

    environment = os.environ | {
        "ELEVENLABS_BASE_URL": remote.url,
        "SYNC_INTERVAL_SECONDS": str(INTERVAL),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    commands = [[sys.executable, *processes()[name]] for name in ("worker", "beat")]
    running = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=subprocess.DEVNULL,
            stderr=(settings.VAR_DIR / "workers.log").open("a"),
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def measure() -> dict[str, Any]:
    from controlplane.mirror.models import SyncRun

    with harness.remote("--agents", str(AGENTS), "--numbers", str(NUMBERS)) as remote, workers(remote):
        until(lambda: SyncRun.objects.filter(state=SyncRun.State.COMPLETE).exists())
        changes = [outside_change(remote) for _ in range(CHANGES)]
        imports = [imported(remote, tail) for tail in range(IMPORTS)]
    return {"changes": changes, "imports": imports}


def outside_change(remote: Any) -> float:
    """Seconds from a change in the console to the row that shows it."""
    from numbers.models import PhoneNumber

    number = random.choice(list(PhoneNumber.objects.values_list("remote_id", flat=True)[:500]))
    label = f"Changed {random.random()}"
    time.sleep(random.uniform(0, INTERVAL))  # anywhere between two syncs
    remote.console("patch_number", number=number, patch={"label": label})
    began = time.monotonic()
    until(lambda: PhoneNumber.objects.filter(remote_id=number, label=label).exists())
    return time.monotonic() - began


def imported(remote: Any, tail: int) -> dict[str, float]:
    """Seconds from the import until bare requests, looking all the time, saw it listed; and until it stood here."""
    from numbers import services
    from numbers.models import PhoneNumber

    remote.settings(listed_after=random.uniform(2, 20))
    phone_number, listed = f"+1555019{tail:04}", threading.Event()
    floor = 0.0

    def look() -> None:
        nonlocal floor
        session = requests.Session()
        session.headers["xi-api-key"] = remote.key
        address = f"{remote.url}/v1/convai/v2/phone-numbers"
        while not session.get(address, params={"phone_number": phone_number}, timeout=10).json()["phone_numbers"]:
            time.sleep(LOOK_EVERY)
        floor = time.monotonic() - began
        listed.set()

    credentials = services.TwilioCredentials(sid="AC" + "1" * 32, token="t")
    op = services.import_number(phone_number, label="New", credentials=credentials, key=f"fresh-{tail}", actor=None)
    began = time.monotonic()
    assert op.state == "done", op.message
    looking = threading.Thread(target=look)
    looking.start()
    until(lambda: PhoneNumber.objects.exclude(listed_at=None).filter(phone_number=phone_number).exists())
    shown = time.monotonic() - began
    assert listed.wait(GIVE_UP)
    looking.join()
    return {"floor": floor, "shown": shown}


def section(results: dict[str, dict[str, Any]]) -> str:
    text = (
        f"{AGENTS:,} agents, {NUMBERS:,} numbers, worker and beat as `make run` starts them, a sync each {INTERVAL} s. "
        f"{CHANGES} changes of a number in the console at moments of chance: seconds until the row here shows it; aim: "
        f"at most the interval and 2 s. {IMPORTS} imports that the sandbox lists after 2 to 20 s: seconds until a loop "
        "of bare requests saw the number listed (the floor), until the row here says so, and the difference; aim: at "
        "most 2 s.\n"
    )
    rows = []
    for kind, found in results.items():
        late = [one["shown"] - one["floor"] for one in found["imports"]]
        worst = max(found["changes"])
        rows.append(
            [
                f"{kind}, {'Redis' if kind == 'PostgreSQL' else 'filesystem'}",
                f"{sum(found['changes']) / CHANGES:.1f}",
                f"{worst:.1f}",
                f"{worst / INTERVAL:.2f}",
                f"{sum(one['floor'] for one in found['imports']) / IMPORTS:.1f}",
                f"{sum(late) / IMPORTS:.2f}",
                f"{max(late):.2f}",
            ]
        )
    head = [
        "database, broker",
        "change shown, mean",
        "worst",
        "worst / interval",
        "listed, mean (floor)",
        "shown later, mean",
        "worst",
    ]
    return text + "\n" + harness.table(head, rows)


if __name__ == "__main__":
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        os.environ["CELERY_BROKER_URL"] = "redis://127.0.0.1:6379/9"
    harness.main("How old the picture gets", measure, section)
