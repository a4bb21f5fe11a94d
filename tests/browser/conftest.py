"""The whole thing, as `make run` starts it: web, worker, beat and sandbox as processes, and Chromium in front.

Each file of tests has a site of its own, empty at its start.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
MOVED_CLOCK = Path(__file__).with_name("moved_clock")
PICTURES = Path(os.environ.get("SCREENSHOTS", "test-results/screenshots"))  # `make screenshots` sets it
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@dataclass(frozen=True)
class Site:
    url: str
    sandbox: str
    user: str
    password: str


def picture(page: Page, name: str, without: Locator | None = None) -> None:
    """`without`: what is a secret is covered."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", mask=[without] if without else [], mask_color="#888")


def fits(page: Page) -> bool:
    """Nothing of the page itself stands beyond its right edge."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def told(page: Page) -> Locator:
    """What the page says of the last deed. The same words stand in a region for screen readers a moment later."""
    return page.locator("#cp-messages")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of its own, of the kind that the other tests use."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{tmp_path_factory.mktemp('database') / 'controlplane.sqlite3'}"
        return
    name = f"controlplane_browser_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.rpartition("/")[0] + "/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all sites of this process: the first collects the files, which takes as long as the rest of a start."""
    return tmp_path_factory.mktemp("static")


@contextmanager
def running(
    var: Path, static_root: Path, database_url: str, *, known: Site | None = None, ago: timedelta = timedelta()
) -> Iterator[Site]:
    """`manage.py up`, ready. Its output is the only place where the first password stands. `known`: it ran before as
    this one, at the same addresses, which tell the sandbox's workspace. `ago`: its processes live so long ago."""
    addresses = (known.url, known.sandbox) if known else ()
    port, sandbox_port = [urlsplit(url).port for url in addresses] or [free_port(), free_port()]
    broker = os.environ.get("CELERY_BROKER_URL", "")
    environment = os.environ | {
        "SECRET_KEY": uuid.uuid4().hex * 2,
        "DEBUG": "false",
        "HTTPS": "false",
        "VAR_DIR": str(var),
        "STATIC_ROOT": str(static_root),
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker.rpartition("/")[0] + "/6" if broker else "",
        "ELEVENLABS_API_KEY": "",
        "ELEVENLABS_BASE_URL": "",
        "PORT": str(port),
        "SANDBOX_PORT": str(sandbox_port),
        "SYNC_INTERVAL_SECONDS": "10",
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "PYTHONUNBUFFERED": "1",
    }
    if not broker:
        del environment["CELERY_BROKER_URL"]
    if ago:
        environment |= {"PYTHONPATH": str(MOVED_CLOCK), "CLOCK_MOVED_BY": str(-ago.total_seconds())}
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
    log = var / ("up-again.log" if known else "up.log")
    password, lines = known.password if known else "", []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"Password +(\S+)", line):
            password = found[1]
        if "Ctrl-C" in line:
            break
    else:
        pytest.fail("manage.py up ended before it was ready:\n" + "".join(lines))
    drain = subprocess.Popen(["tee", str(log)], stdin=process.stdout, stdout=subprocess.DEVNULL)
    try:
        yield Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}", "admin", password)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        drain.wait(timeout=10)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, static_root: Path, database_url: str) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("var"), static_root, database_url) as site:
        yield site


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed, and REQUIRE_BROWSER is set.")
        pytest.skip("Chromium is not installed.")
    return {"executable_path": found, "args": SWITCHES.split()}


@contextmanager
def signed_in(browser: Browser, site: Site, user: str = "", password: str = "") -> Iterator[Page]:
    """A page of the first administrator, or of this person. A script error on any page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=site.url)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/")
    page.get_by_label("Username").fill(user or site.user)
    page.get_by_label("Password").fill(password or site.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def staff(browser: Browser, site: Site) -> Iterator[Page]:
    with signed_in(browser, site) as page:
        yield page
