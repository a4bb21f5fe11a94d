"""How long CI and `make test` take, each in a fresh clone of the last commit with an empty environment.

Not part of `make bench`, because it runs the suite several times: `python benchmarks/suite.py --ci 3 --gates 2`.
Nothing else should run on the machine at the same time. Writes the section "Run times" of docs/testing.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import harness

from tests.budget import REFERENCE_S, work_seconds

PAGE = harness.ROOT / "docs" / "testing.md"
SUMMARY = re.compile(r"^=+ (.*\d+ (?:passed|failed|error).*) in [\d.]+s.*=+$")
PARTS = re.compile(r"^== (make test(?:-servers)?)\b")


@dataclass
class Run:
    """One run of a command. `seconds` by part: `make test`, `make test-servers` and `whole`."""

    command: str
    slowness: float
    code: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)


def slowness() -> float:
    """How many times slower a core is now than the reference of the time budget."""
    return median(work_seconds() for _ in range(50)) / REFERENCE_S


def timed(command: list[str], log: Path) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", str(harness.ROOT), folder], check=True)
        run = Run(" ".join(command), slowness())
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
        began = part_began = time.monotonic()
        part = ""
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        with log.open("w") as output:
            for line in process.stdout:
                output.write(line)
                output.flush()
                if found := PARTS.match(line):
                    if part:
                        run.seconds[part] = time.monotonic() - part_began
                    part, part_began = found[1], time.monotonic()
                if found := SUMMARY.match(line.strip()):
                    run.results.append(found[1])
        run.code = process.wait()
        if part:
            run.seconds[part] = time.monotonic() - part_began
        run.seconds["whole"] = time.monotonic() - began
        return run


def section(runs: list[Run]) -> str:
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h of %cs"], cwd=harness.ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    rows = []
    for run in runs:
        gate = run.seconds.get("make test", run.seconds["whole"])
        rows.append(
            [
                f"`{run.command}`",
                "green" if run.code == 0 else f"failed ({run.code})",
                clock(gate),
                clock(run.seconds["make test-servers"]) if "make test-servers" in run.seconds else "",
                clock(run.seconds["whole"]),
                "; ".join(run.results),
                f"{run.slowness:.1f}",
            ]
        )
    head = ["command", "result", "`make test`", "`make test-servers`", "whole", "tests", "slowness"]
    return (
        f"Sequential runs, each in a fresh clone of {commit} with an empty environment, so the times include "
        "installing the packages. Minutes and seconds. Aims: `make test` under 6 minutes, CI under 15. `slowness` is "
        "how many times slower than the reference of the time budget a core was right before the run.\n\n"
        + harness.table(head, rows)
    )


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ci", type=int, default=3, help="runs of .ci/run")
    parser.add_argument("--gates", type=int, default=2, help="runs of make test after them")
    parser.add_argument("--logs", type=Path, default=harness.ROOT / "var" / "suite")
    chosen = parser.parse_args()
    chosen.logs.mkdir(parents=True, exist_ok=True)
    commands = [["bash", ".ci/run"]] * chosen.ci + [["make", "test"]] * chosen.gates
    runs = []
    for at, command in enumerate(commands):
        runs.append(timed(command, chosen.logs / f"{at}.log"))
        print(runs[-1], flush=True)
    harness.write_section("Run times", section(runs), PAGE)
    sys.exit(any(run.code for run in runs))


if __name__ == "__main__":
    main()
