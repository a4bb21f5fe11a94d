"""`make run`: runs every process in one terminal until Ctrl-C."""

import hashlib
import os
import shlex
import signal
import socket
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import honcho.manager
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from honcho.manager import Manager
from honcho.printer import Message

from controlplane.management.commands.first_administrator import create_first_administrator


def uses_sandbox() -> bool:
    return bool(settings.ELEVENLABS_API_KEY == settings.SANDBOX_KEY)


def check_ports() -> None:
    ports = {"PORT": settings.PORT} | ({"SANDBOX_PORT": settings.SANDBOX_PORT} if uses_sandbox() else {})
    if len(set(ports.values())) < len(ports):
        raise CommandError(f"PORT and SANDBOX_PORT are both {settings.PORT}. Choose another: PORT=8000 make run")
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as problem:
                reason = problem.strerror if isinstance(problem, OSError) else "no such port"
                raise CommandError(f"Port {port} cannot be used ({reason}). Choose another with {variable}.") from None


def collect_static_files() -> None:
    """Only if a file has changed: compressing all of them takes longer than the rest of the startup."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            file = Path(storage.path(name)).stat()
            digest.update(f"{name} {file.st_size} {file.st_mtime_ns}\n".encode())
    stamp = settings.STATIC_ROOT / ".collected"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(digest.hexdigest())


def processes() -> dict[str, list[str]]:
    """{name: arguments to Python}. They contain no secrets: the processes read the settings themselves."""
    celery = ["-m", "celery", "--quiet", "-A", "controlplane"]
    # Threads, because the manager signals whole process groups: on SIGTERM a prefork child drops its task at once,
    # while a thread finishes it. One process also starts sooner and uses a third of the memory.
    worker = ["worker", "-n", "worker@controlplane", "--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"]
    gunicorn = ["-m", "gunicorn", "controlplane.wsgi", "--bind", f"127.0.0.1:{settings.PORT}", "--no-control-socket"]
    sandbox = ["manage.py", "sandbox", "--port", str(settings.SANDBOX_PORT)]
    return {
        **({"sandbox": [*sandbox, "--state", str(settings.VAR_DIR / "sandbox.sqlite3")]} if uses_sandbox() else {}),
        "web": [*gunicorn, "--worker-class", "gthread", "--threads", "8"],
        "worker": [*celery, *worker, "--without-gossip", "--without-mingle"],
        "beat": [*celery, "beat", "--loglevel", "WARNING"],
    }


def welcome(password: str | None) -> str:
    first = get_user_model()._default_manager.filter(is_superuser=True).order_by("pk").first()
    host = urlsplit(settings.ELEVENLABS_BASE_URL).netloc
    remote = f"Sandbox on {host}: nothing real is changed" if uses_sandbox() else f"{host}, real account"
    return "\n".join(
        [
            "",
            f"  Open       http://127.0.0.1:{settings.PORT}/",
            f"  User name  {first.get_username() if first else ''}",
            *([f"  Password   {password}   (shown only this once)"] if password else []),
            f"  Remote     {remote}",
            "  Stop       Ctrl-C",
            "",
        ]
    )


class ProcessManager(Manager):  # type: ignore[misc] # honcho has no types
    """honcho's manager, with a final message after startup and an orderly shutdown at any moment."""

    def __init__(self, last_word: str) -> None:
        super().__init__()
        self.last_word = last_word
        self.is_ready = False
        self.ended_by_itself: list[str] = []
        self.process_id = os.getpid()
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        for name, arguments in processes().items():
            command = "exec " + shlex.join([sys.executable, *arguments])
            self.add_process(name, command, env=environment, cwd=str(settings.BASE_DIR))

    def loop(self) -> None:
        try:
            super().loop()
        finally:  # also after a broken pipe or a closed terminal
            for process in self._processes.values():
                if "pid" in process and "returncode" not in process:
                    self._procmgr.terminate(process["pid"])

    def _start(self) -> None:
        super()._start()
        threading.Thread(target=self.say_last_word, daemon=True).start()  # after the fork in the line above

    def say_last_word(self) -> None:
        addresses = [
            f"http://127.0.0.1:{settings.PORT}/healthz",
            *([settings.ELEVENLABS_BASE_URL] if uses_sandbox() else []),
        ]
        for url in addresses:
            while not answers(url):
                if self._terminating:
                    return
                time.sleep(0.1)
        self.is_ready = True
        self.events.put(Message("line", self.last_word, datetime.now(), "ready", None))

    def terminate(self) -> None:
        if self._terminating or os.getpid() != self.process_id:  # a forked child briefly has this handler too
            return
        if not self._all_started():  # Ctrl-C during startup: honcho does not know every process yet
            threading.Timer(0.1, self.terminate).start()
            return
        self.ended_by_itself = [name for name, process in self._processes.items() if "returncode" in process]
        super().terminate()


def answers(url: str) -> bool:
    try:
        urlopen(url, timeout=2).close()  # noqa: S310 - http on localhost
    except HTTPError:
        return True
    except OSError:
        return False
    return True


class Command(BaseCommand):
    help = "Prepare the database and run web, worker, beat and, without a real key, the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEBUG:
            raise CommandError("DEBUG is on. Start with DEBUG=false, or use manage.py runserver.")
        check_ports()
        os.umask(0o077)  # the database, messages and logs are readable for this user only
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        self.stdout.write("Preparing the database and the static files ...")
        call_command("migrate", interactive=False, verbosity=0)
        collect_static_files()
        password = create_first_administrator()

        # Each process may finish its current work; a write to ElevenLabs has its own, shorter, deadline.
        honcho.manager.KILL_WAIT = settings.ELEVENLABS_WRITE_DEADLINE + 5
        everything = ProcessManager(welcome(password))
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))  # when the terminal is closed
        everything.loop()
        if password and not everything.is_ready:
            self.stdout.write(f"The password of the new administrator is {password}")
        if everything.ended_by_itself:
            names = " and ".join(everything.ended_by_itself)
            raise CommandError(f"{names} ended by itself, so everything was stopped. The reason is shown above.")
        self.stdout.write("Stopped.")
