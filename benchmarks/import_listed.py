"""How long after ElevenLabs lists an import it is known here, with a real worker and a real beat."""

import random
import time
from typing import Any

import harness

ONE_BY_ONE, AT_ONCE = 40, 40
LONGEST_LAG = 50.0


def measure() -> dict[str, Any]:
    from numbers.models import PhoneNumber
    from tests import number_writes as services

    credentials = services.TwilioCredentials(sid="AC" + "1" * 32, token="t" * 32)
    lags: dict[str, float] = {}

    def request(at: int, lag: float) -> None:
        sandbox.settings(listed_after=lag)
        typed = f"+155501{at:05}"
        op = services.import_number(typed, label=f"Line {at}", credentials=credentials, key=f"import-{at}", actor=None)
        assert op.state == "done", op.message
        lags[op.object_id] = lag

    def found() -> list[float]:
        """Wait until all are known to be listed; return the seconds that each took."""
        ends = time.monotonic() + 3 * LONGEST_LAG
        while PhoneNumber.objects.filter(listed_at=None).exists():
            assert time.monotonic() < ends, "no worker polled for them"
            time.sleep(0.2)
        imported_at = {entry["object_id"]: entry["at"] for entry in sandbox.ledger()}
        rows = PhoneNumber.objects.filter(remote_id__in=lags)
        late = [row.listed_at.timestamp() - imported_at[row.remote_id] - lags[row.remote_id] for row in rows]
        lags.clear()
        return late

    with harness.remote() as sandbox, harness.workers(sandbox.url):
        request(0, 0)
        found()  # after this, worker and beat have started
        for at in range(1, ONE_BY_ONE + 1):
            request(at, random.uniform(0, LONGEST_LAG))
            time.sleep(random.uniform(0, 0.5))
        one_by_one = found()
        began = time.monotonic()
        for at in range(ONE_BY_ONE + 1, ONE_BY_ONE + AT_ONCE + 1):
            request(at, 20.0)
        calls_before = len(sandbox.calls())
        together = found()
        calls = len(sandbox.calls()) - calls_before
        seconds = time.monotonic() - began
    return {
        "one by one": harness.percentiles(one_by_one) | {"max": max(one_by_one) * 1000},
        "at once": harness.percentiles(together) | {"max": max(together) * 1000},
        "calls": calls / seconds,
    }


def section(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        [kind, how, *(f"{found[how][cut] / 1000:.2f}" for cut in ("p50", "p95", "max")), f"{found['calls']:.1f}"]
        for kind, found in results.items()
        for how in ("one by one", "at once")
    ]
    head = ["database", "imports", "p50", "p95", "max", "calls per second, at once"]
    return (
        f"{ONE_BY_ONE} imports listed after 0 to {LONGEST_LAG:.0f} s, then {AT_ONCE} listed together: "
        "seconds from being listed to being known here, with the worker and beat of `make run`. The floor is 0; an "
        "open page shows it at most half a second later. Aim: 2 s including the page.\n\n" + harness.table(head, rows)
    )


if __name__ == "__main__":
    harness.main("Time until a listed import is known", measure, section)
