"""The eight processes of a storm, as seen by their parent."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.running import database_url
from tests.sandbox_process import ROOT, Sandbox


class Flock:
    """A fixed number of processes; a killed one is replaced immediately."""

    def __init__(self, remote: Sandbox, seed: str, log: Path) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.living: list[int] = []
        self.started = 0
        self.kills = 0
        self.wrong: list[str] = []
        self._log = log.open("w")
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.storm.nursery"],
            cwd=ROOT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "tests.storm.settings",
                "DATABASE_URL": database_url(),
                "STORM_REMOTE": remote.url,
                "STORM_KEY": remote.key,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        """No process is left behind, whatever happened."""
        self._nursery.communicate(timeout=60)  # closes its input
        self._log.close()

    def start(self) -> None:
        self.started += 1
        self.living.append(int(self._ask(f"start {self.seed}.{self.started}")))

    def kill_one(self) -> None:
        """SIGKILL at a random point of its work. A process that has already ended by itself has failed."""
        pid = self.living.pop(self.dice.randrange(len(self.living)))
        os.kill(pid, signal.SIGKILL)  # the nursery has not reaped it, so its id is not reused
        status = int(self._ask(f"reap {pid}"))
        self.kills += status == -signal.SIGKILL
        if status != -signal.SIGKILL:
            self.wrong.append(f"a process ended by itself, with {status}")

    def _ask(self, line: str) -> str:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(line + "\n")
        self._nursery.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        assert line, f"the nursery ended; see {self._log.name}"
        return line.strip()
