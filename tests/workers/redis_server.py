"""A Redis server for one test, on its own port, which can be killed, stopped and flushed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import redis

from tests.running import PATIENCE, free_port
from tests.workers.waiting import until


class RedisServer:
    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            if os.environ.get("REQUIRE_REDIS"):
                pytest.fail("redis-server is not installed, and REQUIRE_REDIS is set.")
            pytest.skip("redis-server is not installed.")
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        # As in docker-compose.yml, without persistence.
        self._command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        self._folder = folder
        self.client = redis.Redis.from_url(self.url, socket_timeout=5)
        self.start()

    def start(self) -> None:
        with (self._folder / "redis.log").open("a") as log:
            self.process = subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log)
        until(self._answers, "Redis answers")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        self.client.flushall()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> None:
        self.client.close()
        self.kill()
