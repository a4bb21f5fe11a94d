"""What every test gets: a remote that is a real HTTP server in a process of its own, emptied before each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox()
    sandbox.start(tmp_path_factory.mktemp("sandbox") / "state.sqlite3")
    yield sandbox
    sandbox.stop()


@pytest.fixture
def remote(sandbox_process: Sandbox, settings) -> Sandbox:
    """The sandbox, empty, and this process pointed at it."""
    sandbox_process.reset()
    settings.ELEVENLABS_BASE_URL = sandbox_process.url
    settings.ELEVENLABS_API_KEY = sandbox_process.key
    return sandbox_process


@pytest.fixture
def chromium() -> Path:
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed, and REQUIRE_BROWSER is set.")
        pytest.skip("Chromium is not installed.")
    return Path(found)
