"""For every test: a remote that is emptied before it, and the marks of its tier."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models.signals import post_migrate

from controlplane.audit import triggers
from tests.sandbox_in_process import SandboxInProcess
from tests.sandbox_process import Sandbox
from tests.storm.figures import pytest_terminal_summary  # with xdist, the printing process loads only this file

__all__ = ["pytest_terminal_summary"]

TESTS = Path(__file__).parent
# Tests that depend on the database or the broker, by path prefix. CI runs these on PostgreSQL and Redis too.
SERVERS = (
    *("operations/", "outside/", "mirror/", "traffic/", "history/", "numbers/", "sign_in/", "storm/"),
    *("agents/test_finding_agents", "api/test_idempotency_keys", "api/test_lists", "api/test_tokens"),
    *("pages/test_history_timeline", "pages/test_last_superuser", "pages/test_odd_input", "pages/test_the_database"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        path = item.path.relative_to(TESTS).as_posix()
        if path.startswith(SERVERS):
            item.add_marker("servers")
        # The tests of a file run in one process, so its fixtures are built once. All of browser/ shares one site.
        item.add_marker(pytest.mark.xdist_group("browser" if path.startswith("browser/") else path))


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collection: scanning them repeatedly took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def flush_without_triggers() -> Iterator[None]:
    """Remove the triggers of the history while tables are emptied between tests. The roles that a migration created are
    restored, because later tests in the same process may need them."""
    roles: dict[str, set[tuple[str, str]]] = {}

    def flush(self: Any, sql_list: Any) -> None:
        if not roles:
            of_roles = Group.permissions.through.objects.select_related("group", "permission__content_type")
            for row in of_roles:
                right = (row.permission.content_type.app_label, row.permission.codename)
                roles.setdefault(row.group.name, set()).add(right)
        triggers.remove(self.connection)
        try:
            BaseDatabaseOperations.execute_sql_flush(self, sql_list)
        finally:
            triggers.install(self.connection)

    def restore_roles(**more: Any) -> None:
        """Without signals, which would record it in the history."""
        rights = {
            (one.content_type.app_label, one.codename): one for one in Permission.objects.select_related("content_type")
        }
        for name in roles.keys() - set(Group.objects.values_list("name", flat=True)):
            (group,) = Group.objects.bulk_create([Group(name=name)])
            through = Group.permissions.through
            through.objects.bulk_create(through(group=group, permission=rights[right]) for right in roles[name])

    last = list(apps.get_app_configs())[-1]  # by then the permissions of every app exist again
    post_migrate.connect(restore_roles, sender=last, weak=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "execute_sql_flush", flush)
        yield
    post_migrate.disconnect(restore_roles, sender=last)


@pytest.fixture(scope="session")
def sandbox_in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxInProcess]:
    sandbox = SandboxInProcess().start(tmp_path_factory.mktemp("sandbox") / "in-process.sqlite3")
    yield sandbox
    sandbox.stop()


@pytest.fixture
def remote(sandbox_in_process: SandboxInProcess, settings, monkeypatch) -> Sandbox:
    """The empty sandbox, to which this process is connected."""
    sandbox_in_process.serve_clients(monkeypatch)
    return pointed_at(sandbox_in_process, settings)


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox()
    sandbox.start(tmp_path_factory.mktemp("sandbox") / "state.sqlite3")
    yield sandbox
    sandbox.stop()


@pytest.fixture
def remote_process(sandbox_process: Sandbox, settings) -> Sandbox:
    """Like `remote`, but in a separate process that a test may kill and restart."""
    return pointed_at(sandbox_process, settings)


def pointed_at(sandbox: Sandbox, settings) -> Sandbox:
    sandbox.reset()
    settings.ELEVENLABS_BASE_URL = sandbox.url
    settings.ELEVENLABS_API_KEY = sandbox.key
    return sandbox


@pytest.fixture
def chromium() -> Path:
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed, and REQUIRE_BROWSER is set.")
        pytest.skip("Chromium is not installed.")
    return Path(found)
