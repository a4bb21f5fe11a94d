"""What every test gets: a remote that is a real HTTP server in a process of its own, emptied before each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

from controlplane.audit import guard
from tests.sandbox_process import Sandbox


@pytest.fixture(scope="session", autouse=True)
def a_flush_lifts_the_guard() -> Iterator[None]:
    """Between two tests the tables are emptied, which the triggers of the history refuse to anybody else."""

    def flush(self: Any, sql_list: Any) -> None:
        guard.remove(self.connection)
        try:
            BaseDatabaseOperations.execute_sql_flush(self, sql_list)
        finally:
            guard.install(self.connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "execute_sql_flush", flush)
        yield


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
