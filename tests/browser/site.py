"""A whole site as `make run` starts it: web, worker, beat and sandbox as processes, with their own database."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.running import ROOT, free_port
from tests.workers.redis_server import RedisServer

MOVED_CLOCK = Path(__file__).with_name("moved_clock")


class Database:
    """Direct access to the database of a site, bypassing the application."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A connection of `sqlite3` or `psycopg` that commits each statement outside BEGIN and COMMIT."""
        if self.is_sqlite:
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
                yield connection
        else:
            with psycopg.connect(self.url, autocommit=True) as connection:
                yield connection

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """`%s` is the placeholder on both databases."""
        with self.connect() as connection:
            return connection.execute(sql.replace("%s", "?") if self.is_sqlite else sql, values).fetchall()

    def update(self, sql: str, *values: object) -> int:
        """Return the number of changed rows."""
        with self.connect() as connection:
            return connection.execute(sql.replace("%s", "?") if self.is_sqlite else sql, values).rowcount


@dataclass(frozen=True)
class Site:
    url: str
    sandbox: str
    user: str
    password: str
    database: Database
    broker_url: str
    var: Path


@contextmanager
def new_database(folder: Path) -> Iterator[Database]:
    """On the database engine that the other tests use."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield Database(f"sqlite:///{folder / 'controlplane.sqlite3'}")
        return
    name = f"controlplane_browser_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield Database(f"{server.rpartition('/')[0]}/{name}")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def new_broker(folder: Path) -> Iterator[str]:
    """On the broker that the other tests use. On a shared Redis, each site would take the other's messages."""
    if not os.environ.get("CELERY_BROKER_URL", "").startswith("redis"):
        yield "filesystem://localhost"
        return
    server = RedisServer(folder)
    try:
        yield server.url
    finally:
        server.end()


@contextmanager
def running(
    var: Path,
    static_root: Path,
    database: Database,
    *,
    known: Site | None = None,
    ago: timedelta = timedelta(),
) -> Iterator[Site]:
    """`manage.py up`, once ready. Only its output contains the first password. `known` is an earlier instance of this
    site: its URLs are reused, because they identify the sandbox's workspace. `ago`: how far its clock is behind."""
    addresses = (known.url, known.sandbox) if known else ()
    port, sandbox_port = [urlsplit(url).port for url in addresses] or [free_port(), free_port()]
    with new_broker(var) as broker_url:
        environment = os.environ | {
            "SECRET_KEY": uuid.uuid4().hex * 2,
            "DEBUG": "false",
            "HTTPS": "false",
            "VAR_DIR": str(var),
            "STATIC_ROOT": str(static_root),
            "DATABASE_URL": database.url,
            "CELERY_BROKER_URL": broker_url,
            "ELEVENLABS_API_KEY": "",
            "ELEVENLABS_BASE_URL": "",
            "PORT": str(port),
            "SANDBOX_PORT": str(sandbox_port),
            "SYNC_INTERVAL_SECONDS": "10",
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
            "PYTHONUNBUFFERED": "1",
        }
        if ago:
            environment |= {"PYTHONPATH": str(MOVED_CLOCK), "CLOCK_MOVED_BY": str(-ago.total_seconds())}
        with _up(environment, var / ("up-again.log" if known else "up.log")) as printed:
            found = re.search(r"Password +(\S+)", printed)
            password = found[1] if found else known.password if known else ""
            url, sandbox = (f"http://127.0.0.1:{number}" for number in (port, sandbox_port))
            yield Site(url, sandbox, "admin", password, database, broker_url, var)


@contextmanager
def _up(environment: dict[str, str], log: Path) -> Iterator[str]:
    """The output until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    else:
        pytest.fail("manage.py up ended before it was ready:\n" + "".join(lines))
    drain = subprocess.Popen(["tee", str(log)], stdin=process.stdout, stdout=subprocess.DEVNULL)
    process.stdout.close()
    try:
        yield "".join(lines)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        drain.wait(timeout=10)
