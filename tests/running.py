"""A real process of the project, whose lines can be waited for. Used by every test-suite that starts some."""

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
PATIENCE = 60  # seconds; what takes longer has failed, on a busy machine too

Environment = dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """Of the database that this test uses."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgres://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


class Running:
    """A process in a session of its own."""

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
        """The first line with this text."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self.news:
            self.news.wait_for(lambda: found() or self.ended, PATIENCE)
            line = found()
        assert line, f"{text!r} was never said. Said was:\n{self.output}"
        return line

    def interrupt(self) -> int:
        """As the terminal does at Ctrl-C: the whole group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def kill(self) -> int:
        """The whole group at once, as when a container is killed or the power fails."""
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.wait()

    def stop(self) -> int:
        """As Docker does: the first process gets the signal."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code
