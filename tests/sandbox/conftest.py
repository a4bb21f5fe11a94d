"""These tests have their own sandbox, which they may restart and kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_process import Sandbox


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("own") / "state.sqlite3"
    sandbox = Sandbox().start(state)
    yield sandbox
    assert sandbox.stop() == 0
    assert state.with_name("state.sqlite3.log").read_text() == "", "no call may end in a traceback"


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def sandbox_of_its_own(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox().start(tmp_path / "state.sqlite3")
    yield sandbox
    if sandbox.process is not None and sandbox.process.poll() is None:
        sandbox.stop()
