"""Real processes of the project, each with its own environment and folder, and none left running."""

import os
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from tests.running import PATIENCE, ROOT, SCRIPTS, Environment, Running
from tests.running import free_port as find_free_port

__all__ = ["ROOT", "SCRIPTS"]

MARK = "SHIP_TEST"


@pytest.fixture
def free_port() -> Callable[[], int]:
    return find_free_port


def started_with(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """A new database on the engine that the tests run on."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{tmp_path / 'ship.sqlite3'}"
        return
    name = f"ship_{uuid.uuid4().hex}"
    maintenance = urlsplit(server)._replace(path="/postgres").geturl()
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def broker_url() -> Iterator[str]:
    """The kind of broker that the tests run on; on Redis, each parallel process has its own database."""
    server = os.environ.get("CELERY_BROKER_URL", "")
    if not server.startswith("redis"):
        yield "filesystem://"
        return
    number = 8 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    url = urlsplit(server)._replace(path=f"/{number}").geturl()
    with redis.Redis.from_url(url) as connection:
        connection.flushdb()
        yield url
        connection.flushdb()


@pytest.fixture
def environment(
    tmp_path: Path, free_port: Callable[[], int], database_url: str, broker_url: str
) -> Iterator[Environment]:
    """Every variable is set, so that a `.env` in the checkout adds nothing; processes started with it end with it."""
    mark = uuid.uuid4().hex
    yield {
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "HOSTNAME": socket.gethostname(),
        "PYTHONUNBUFFERED": "1",
        MARK: mark,
        "SECRET_KEY": "only-for-tests-0123456789-0123456789-0123456789-0123456789",
        "ELEVENLABS_API_KEY": "sk_sandbox",
        "ELEVENLABS_BASE_URL": "",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DEBUG": "false",
        "HTTPS": "false",
        "PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "VAR_DIR": str(tmp_path / "var"),
        "STATIC_ROOT": str(tmp_path / "static"),
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker_url,
    }
    for process in started_with(mark):
        process.kill()
        process.wait(PATIENCE)


@pytest.fixture
def run(environment: Environment) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command and waits for it."""

    def run(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment | changes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return run


@pytest.fixture
def start(environment: Environment) -> Callable[..., Running]:
    """Starts a command without waiting for it."""

    def start(*command: str, **changes: str) -> Running:
        return Running(list(command), environment | changes)

    return start


@pytest.fixture
def left_over(environment: Environment) -> Callable[[], list[psutil.Process]]:
    return lambda: started_with(environment[MARK])
