"""A real process of the project whose output can be waited for."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent
PATIENCE = 60  # seconds; whatever takes longer has failed, even on a busy machine

Environment = dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The URL of the database that this test uses."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgres://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


class Running:
    """A process with its own session."""

    def __init__(self, command: list[str], environment: Environment) -> None:
        self.lines: list[str] = []
        self.ended = False
        self.news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str) -> str:
        """Wait for a line with this text, and return it."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self.news:
            self.news.wait_for(lambda: found() or self.ended, PATIENCE)
            line = found()
        assert line, f"{text!r} was never printed. The output was:\n{self.output}"
        return line

    def interrupt(self) -> int:
        """Send SIGINT to the whole group, like a terminal at Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def kill(self) -> int:
        """Kill the whole group at once, like a killed container or a power failure."""
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.wait()

    def stop(self) -> int:
        """Send SIGTERM to the first process only, like Docker."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code
