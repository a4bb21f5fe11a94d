"""Shared by the benchmarks: an empty database of each kind, a sandbox, percentiles, and the page of results.

Each script starts itself once per database in a child process, which prints its results as JSON; `main` writes them to
docs/benchmarks.md.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
SERVER = os.environ.get("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432")
HEAD = """# Benchmarks

Written by the scripts in `benchmarks/` (`make bench`). Each figure is compared with a floor measured in the same run.
"""
sys.path.insert(0, str(ROOT))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    cuts = quantiles(seconds, n=100)
    return {"p50": cuts[49] * 1000, "p95": cuts[94] * 1000}


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str | None]:
    """Yield the URL of an empty database, or None if PostgreSQL cannot be reached."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
        return
    import psycopg

    name = f"controlplane_bench_{uuid.uuid4().hex[:8]}"
    try:
        connection = psycopg.connect(f"{SERVER}/postgres", autocommit=True)
    except psycopg.OperationalError:
        yield None
        return
    with connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield f"{SERVER}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def remote(*args: str) -> Iterator[Any]:
    """Start a separate sandbox and point Django's settings at it."""
    from django.conf import settings

    from tests.sandbox_process import Sandbox

    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox().start(Path(folder) / "state.sqlite3", *args)
        settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY = sandbox.url, sandbox.key
        try:
            yield sandbox
        finally:
            sandbox.stop()


@contextmanager
def workers(url: str, **settings: str) -> Iterator[None]:
    """Run worker and beat as `make run` starts them, on this run's database and the sandbox at `url`."""
    from controlplane.management.commands.up import processes

    environment = (
        os.environ | {"ELEVENLABS_BASE_URL": url, "DJANGO_SETTINGS_MODULE": "controlplane.settings"} | settings
    )
    running = [
        subprocess.Popen([sys.executable, *processes()[name]], env=environment, cwd=ROOT) for name in ("worker", "beat")
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=60)


def run_measurement(measure: Callable[[], dict[str, Any]]) -> None:
    """In the child process: set up Django with the database from the environment, migrate, measure, print JSON."""
    import controlplane  # noqa: F401 - has to come first, so that `numbers` can be imported

    os.environ["DJANGO_SETTINGS_MODULE"] = "controlplane.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print("RESULT", json.dumps(measure()))


def main(
    title: str, measure: Callable[[], dict[str, Any]], section: Callable[[dict[str, dict[str, Any]]], str]
) -> None:
    """Measure on each database in a separate process and write the section called `title`."""
    if "--child" in sys.argv:
        run_measurement(measure)
        return
    write_section(title, section(measured(Path(sys.argv[0]))))


def measured(script: Path) -> dict[str, dict[str, Any]]:
    """{database: what the script measures on it}."""
    results: dict[str, dict[str, Any]] = {}
    for kind in ("SQLite", "PostgreSQL"):
        with tempfile.TemporaryDirectory() as folder, database(kind.lower(), Path(folder)) as url:
            if url is None:
                print(f"{script.stem}: no PostgreSQL at {SERVER}, skipped")
                continue
            environment = os.environ | {
                "SECRET_KEY": "for-benchmarks-only-0123456789-0123456789-0123456789",
                "DATABASE_URL": url,
                "VAR_DIR": folder,
                "DEBUG": "false",
                "HTTPS": "false",
                "ELEVENLABS_API_KEY": "",
                "ELEVENLABS_BASE_URL": "",
                "LOG_LEVEL": "ERROR",
            }
            command = [sys.executable, str(script.resolve()), "--child"]
            root = script.resolve().parents[1]
            child = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            results[kind] = json.loads(child.stdout.split("RESULT", 1)[1])
    return results


def write_section(title: str, text: str, file: Path = PAGE) -> None:
    """Replace the section with this title in the file, or append it."""
    page = file.read_text() if file.exists() else HEAD
    body = f"## {title}\n\n{text.strip()}\n\n{machine()}\n"
    pattern = re.compile(rf"## {re.escape(title)}\n.*?(?=\n## |\Z)", re.DOTALL)
    page = pattern.sub(lambda _: body, page) if pattern.search(page) else f"{page.rstrip()}\n\n{body}"
    file.write_text(page.rstrip() + "\n")
    print(body)


def machine() -> str:
    when = datetime.now(UTC)
    return (
        f"*{when:%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}.*"
    )


def table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
