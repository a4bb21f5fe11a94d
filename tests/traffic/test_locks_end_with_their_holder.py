"""The one primitive: named locks, exclusive or shared, that need no cleanup."""

import signal
import subprocess
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from controlplane.traffic.locks import AdvisoryLocks, FileLocks, Locks, locks
from tests.processes import children
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

HOLD = """
from controlplane.traffic.locks import FileLocks, locks
found = FileLocks(settings.VAR_DIR / "locks") if {files} else locks()
held = found.first_free(["{name}"])
print("held" if held else "not free", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(params=["of this database", "files"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def found(kind: str) -> Locks:
    return FileLocks(settings.VAR_DIR / "locks") if kind == "files" else locks()


@pytest.fixture
def name(request, tmp_path) -> str:
    """Unique to this test: the folder and the database server are also used by others at the same time."""
    return f"test-{abs(hash(tmp_path))}"


@pytest.fixture
def holder(kind: str, name: str, remote: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with children(remote, [HOLD.format(files=kind == "files", name=name)], at_once=2) as (child,):
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child


def test_the_database_decides_which_kind():
    assert isinstance(locks(), AdvisoryLocks if connection.vendor == "postgresql" else FileLocks)


@pytest.mark.skipif(connection.vendor == "postgresql", reason="its locks are no files")
def test_the_files_are_next_to_the_database_whatever_folder_is_configured(name, settings, tmp_path):
    release = locks().first_free([name])
    assert release is not None
    settings.VAR_DIR = tmp_path
    assert locks().first_free([name]) is None
    release()


@pytest.mark.process
@pytest.mark.parametrize("kind", [pytest.param("of this database", marks=pytest.mark.smoke), "files"], indirect=True)
def test_what_another_process_holds_is_not_free(found, name, holder):
    assert found.first_free([name]) is None
    assert found.share(name) is None
    other = found.first_free([name, f"{name}-2"])
    assert other is not None
    other()


@pytest.mark.process
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_holder_holds_nothing(end, found, name, holder):
    holder.send_signal(end)
    assert holder.wait(20) == -end
    release = None
    for _ in range(500):  # PostgreSQL notices it a moment later
        if (release := found.first_free([name])) is not None:
            break
        connection.ensure_connection()
    assert release is not None
    release()


def test_what_is_given_back_is_free(found, name):
    for _ in range(3):
        release = found.first_free([name])
        assert release is not None
        release()


def test_shared_by_many_or_held_by_one(found, name, in_thread):
    first, second = found.share(name), found.share(name)
    assert first is not None
    assert second is not None
    seen = []
    in_thread(lambda: seen.append(found.first_free([name]))).join(20)
    in_thread(lambda: seen.append(found.first_free([f"{name}-2"], unless=name))).join(20)
    first()
    in_thread(lambda: seen.append(found.first_free([name]))).join(20)
    assert seen == [None, None, None]
    second()
    release = found.first_free([name], unless=f"{name}-queue")
    assert release is not None
    release()


def test_unless_is_held_for_a_moment_only(found, name, in_thread):
    release = found.first_free([f"{name}-2"], unless=name)
    assert release is not None
    shared = []
    in_thread(lambda: shared.append(found.share(name))).join(20)
    assert shared[0] is not None
    release()


def test_the_folder_of_the_files_is_made(tmp_path):
    folder = tmp_path / "not" / "yet"
    release = FileLocks(folder).first_free(["one"])
    assert release is not None
    assert [file.name for file in folder.iterdir()] == ["one"]
    assert FileLocks(folder).first_free(["one"]) is None
    release()
