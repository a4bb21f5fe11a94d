"""Real worker, beat and web processes as shipped, on the database and the sandbox of a test."""

import os
import secrets
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from kombu import Connection

from controlplane.management.commands.up import processes
from tests.running import ROOT, SCRIPTS, Running, database_url, free_port
from tests.sandbox_process import Sandbox
from tests.workers.redis_server import RedisServer
from tests.workers.waiting import until

QUEUE = "celery"
on_both_brokers = pytest.mark.parametrize("harness", ["filesystem", "redis"], indirect=True)


def shipped(name: str, broker_url: str) -> list[str]:
    """The command of `make run` for the folder broker, and that of docker-compose.yml for Redis."""
    if broker_url.startswith("filesystem"):
        return [sys.executable, *processes()[name]]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return [str(part) for part in services[name]["command"]]


def folder_broker_at(folder: Path) -> Connection:
    """The broker of processes whose VAR_DIR is `var` in this folder."""
    names = {"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"}
    options = {option: str(folder / "var" / "broker" / name) for option, name in names.items()}
    for name in options.values():
        Path(name).mkdir(parents=True, exist_ok=True)
    return Connection("filesystem://localhost", transport_options=options)


class ProcessHarness:
    def __init__(self, folder: Path, remote: Sandbox, redis: RedisServer | None) -> None:
        self.redis = redis
        self.remote = remote
        self.broker_url = redis.url if redis else "filesystem://localhost"
        self.folder = folder
        self.running: list[Running] = []
        self.environment = {
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "tests.workers.settings",
            "TEST_REMOTE": remote.url,
            "VAR_DIR": str(folder / "var"),
            "DATABASE_URL": database_url(),
            "CELERY_BROKER_URL": self.broker_url,
            "SYNC_INTERVAL_SECONDS": "1",
        }

    def start(self, *command: str, **environment: str) -> Running:
        process = Running(list(command), self.environment | environment)
        self.running.append(process)
        return process

    def worker(self, *more: str, **environment: str) -> Running:
        """Returns once it takes tasks."""
        worker = self.start(*shipped("worker", self.broker_url), *more, **environment)
        worker.wait_for(" ready.")
        return worker

    def beat(self, *more: str, **environment: str) -> Running:
        return self.start(*shipped("beat", self.broker_url), *more, **environment)

    def web(self, **environment: str) -> "Web":
        shipped_at, address = f"127.0.0.1:{settings.PORT}", f"127.0.0.1:{free_port()}"
        command = [address if part == shipped_at else part for part in processes()["web"]]
        process = self.start(sys.executable, *command, **environment)
        process.wait_for("Booting worker")
        return Web(f"http://{address}", process)

    def end(self) -> None:
        """Prints the output of the processes, which pytest shows if the test failed."""
        for process in self.running:
            if process.process.poll() is None:
                process.kill()
            print(f"--- {process.process.args}: {process.process.returncode}\n{process.output}")  # noqa: T201 - pytest shows it

    # --- the broker --------------------------------------------------------------------------------------------------
    def broker(self) -> Connection:
        return Connection(self.broker_url) if self.redis else folder_broker_at(self.folder)

    def deliver(self, task: str, *args: Any, times: int = 1, task_id: str = "") -> None:
        """Send the same message `times` times, with the same id."""
        task_id = task_id or str(uuid.uuid4())
        with self.broker() as broker:
            for _ in range(times):
                current_app.send_task(task, args, task_id=task_id, connection=broker, retry=False)

    def waiting_messages(self) -> int:
        """Messages that no worker has started (with the folder broker: that no worker has taken)."""
        if self.redis:
            return self.redis.client.llen(QUEUE) + self.redis.client.hlen("unacked")
        return len(list((self.folder / "var" / "broker" / "messages").glob(f"*.{QUEUE}.msg")))

    def until_all_messages_are_taken(self) -> None:
        until(lambda: self.waiting_messages() == 0, "every message was taken")


class Web:
    """A browser of a user with all permissions, connected to a web process."""

    def __init__(self, url: str, process: Running) -> None:
        self.url = url
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False

    def sign_in(self) -> None:
        user = User.objects.create_superuser("ada")
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        token = secrets.token_hex(16)
        self.session.cookies.update({"sessionid": client.cookies["sessionid"].value, "csrftoken": token})

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, allow_redirects=False)

    def post(self, path: str, **data: str) -> requests.Response:
        data["csrfmiddlewaretoken"] = str(self.session.cookies["csrftoken"])
        return self.session.post(self.url + path, data=data, timeout=60, allow_redirects=False)
