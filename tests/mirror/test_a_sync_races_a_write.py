"""A sync and a write at the same moment, each in its own thread: neither restores an old value, and our own write is
never recorded as an external change."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, connections

from controlplane.audit.models import Entry
from controlplane.mirror import runs
from controlplane.mirror import upsert as mirror_upsert
from controlplane.mirror.models import OutsideChange, SyncRun
from controlplane.mirror.writer import MirrorWriter
from controlplane.operations.models import State
from controlplane.operations.write_log import OperationLog
from numbers.sync import Numbers, sync_all
from tests import agent_writes as agent_services
from tests import number_writes as services
from tests.mirror.fixtures import known, run_over_all
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import mirror_differs, violations

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT_S = 30  # timeout of every wait, far longer than any of them takes


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 2], autouse=True)
def width(request, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = request.param


@pytest.fixture
def thread() -> Iterator[Callable[..., Future[Any]]]:
    """Runs a function in its own thread with its own database connection."""
    with ThreadPoolExecutor(4) as pool:

        def begin(function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
            def call() -> Any:
                try:
                    return function(*args, **options)
                finally:
                    connections.close_all()

            return pool.submit(call)

        yield begin


class Moments:
    """The points of a sync that it signals; each round of the race writes at one of them."""

    NAMES = (
        "before it begins",
        "the numbers are listed",
        "before the rows are locked",
        "the rows are locked",
        "stored",
    )

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reached = {name: threading.Event() for name in self.NAMES}
        differing, store, write = Numbers.diff, MirrorWriter._store, mirror_upsert.write

        def differs(collection: Numbers, rows: Any) -> Any:
            found = differing(collection, rows)
            self.reached[self.NAMES[1]].set()
            return found

        def stores(writer: MirrorWriter, seen: Any) -> set[str]:
            self.reached[self.NAMES[2]].set()
            new = store(writer, seen)
            self.reached[self.NAMES[4]].set()
            return new

        def writes(changes: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                self.reached[self.NAMES[3]].set()
            write(changes)

        patch.setattr(Numbers, "diff", differs)
        patch.setattr(MirrorWriter, "_store", stores)
        patch.setattr(mirror_upsert, "write", writes)

    def begin(self) -> None:
        for event in self.reached.values():
            event.clear()
        self.reached[self.NAMES[0]].set()

    def over(self) -> None:
        """Release all waits for a point that the run did not reach."""
        for event in self.reached.values():
            event.set()


@pytest.mark.parametrize("rounds", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_swaps(rounds, clock: Clock, thread, monkeypatch):
    """The writes take each of the moments in turn. The console changes another number in each round, so that there are
    rows to store."""
    bots = known(clock, "agent", 3)
    line, other = known(clock, "number", 2)
    since = clock.remote.ledger()[-1]["id"]
    services.assign(line, bots[0], shown="", key="first", actor=None)
    run_over_all()
    last_entry = Entry.objects.latest("pk").pk
    OutsideChange.objects.all().delete()
    moments = Moments(monkeypatch)

    for played in range(rounds):
        old, new = bots[played % 3], bots[(played + 1) % 3]
        clock.remote.console("patch_number", number=other.remote_id, patch={"label": f"Console {played}"})
        moments.begin()
        sync = thread(sync_all)
        sync.add_done_callback(lambda _: moments.over())
        assert moments.reached[Moments.NAMES[played % len(Moments.NAMES)]].wait(TIMEOUT_S)
        op = services.assign(line, new, shown=old.remote_id, key=f"round {played}", actor=None)
        run = sync.result(TIMEOUT_S)

        assert op.state == State.DONE, op.message
        assert run.state == SyncRun.State.COMPLETE, run.problem
        line.refresh_from_db()
        assert (line.bound_to, line.agent_id) == (new.remote_id, new.pk), played
        assert line.remote_data["assigned_agent"]["agent_id"] == new.remote_id

    run_over_all()
    assert mirror_differs(clock.remote) == []
    ours = OutsideChange.objects.filter(object_id=line.remote_id)
    assert [str(change) for change in ours] == []
    assert OutsideChange.objects.count() == rounds
    entries = Entry.objects.filter(pk__gt=last_entry, object_id=line.remote_id, kind="number.changed")
    assert {entry.cause for entry in entries} == {Entry.Cause.OPERATION}
    assert entries.count() == rounds
    clock.passes(10)
    recover(clock)
    assert violations(clock.remote, since=since) == []


@pytest.mark.parametrize("rounds", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_an_agent_is_changed_while_its_details_are_read(rounds, clock: Clock, thread):
    (bot,) = known(clock, "agent", 1)
    last_entry = Entry.objects.latest("pk").pk
    name = bot.name
    for played in range(rounds):
        start = threading.Barrier(2)

        def sync(start: threading.Barrier = start) -> SyncRun | None:
            start.wait(TIMEOUT_S)
            return sync_all(full=True)

        ran = thread(sync)
        start.wait(TIMEOUT_S)
        new = f"Bot, round {played}"
        op = agent_services.update(bot, values={"name": new}, shown={"name": name}, key=f"{played}", actor=None)
        assert op.state == State.DONE, op.message
        assert ran.result(TIMEOUT_S).state == SyncRun.State.COMPLETE
        bot.refresh_from_db()
        assert bot.name == bot.remote_data["name"] == new
        name = new
    run_over_all(full=True)
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists()
    assert not Entry.objects.filter(pk__gt=last_entry, cause=Entry.Cause.SYNC).exists()


# --- A verdict that comes while a sync holds the row ------------------------------------------------------------------
def is_a_lock_awaited() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0] > 0


def until(true: Callable[[], bool]) -> None:
    ends = monotonic() + TIMEOUT_S
    while not true():
        assert monotonic() < ends
        sleep(0.01)


def test_a_verdict_during_a_sync_that_holds_the_row(clock: Clock, thread, monkeypatch):
    """The sync has found no operation and stores a console change. Meanwhile the console reverts it, and an operation
    relabels the number. The operation must compare with the row that the sync stores, not with the one before."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one write at a time; rows are locked on PostgreSQL only")
    first, second = known(clock, "agent", 2)
    (line,) = known(clock, "number", 1)
    services.assign(line, first, shown="", key="assign", actor=None)
    run_over_all()
    clock.passes(2)
    clock.remote.console("assign", number=line.remote_id, agent_id=second.remote_id)
    locked, go_on, has_read = threading.Event(), threading.Event(), threading.Event()
    late_effects, compare = OperationLog.late_effects, mirror_upsert.compare

    def explains(log: OperationLog, object_type: str) -> Any:
        if object_type == "number":
            locked.set()
            assert go_on.wait(TIMEOUT_S)
        return late_effects(log, object_type)

    def compares(row: Any, *args: Any, **options: Any) -> Any:
        if locked.is_set() and not go_on.is_set():
            has_read.set()
        return compare(row, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(OperationLog, "late_effects", explains)
        patch.setattr(mirror_upsert, "compare", compares)
        sync = thread(sync_all)
        assert locked.wait(TIMEOUT_S)
        clock.remote.console("assign", number=line.remote_id, agent_id=first.remote_id)
        renames = thread(services.set_label, line, "Ours", shown=line.label, key="rename", actor=None)
        until(lambda: has_read.is_set() or is_a_lock_awaited())
        go_on.set()
        assert sync.result(TIMEOUT_S).state == SyncRun.State.COMPLETE
        assert renames.result(TIMEOUT_S).state == State.DONE

    line.refresh_from_db()
    assert (line.label, line.bound_to, line.agent_id) == ("Ours", first.remote_id, first.pk)
    run_over_all()
    assert mirror_differs(clock.remote) == []


# --- Two runs ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_of_runs_that_begin_at_once_one_goes_on(rounds, clock: Clock, thread):
    known(clock, "number", 3)
    for played in range(rounds):
        start = threading.Barrier(4)

        def begin(start: threading.Barrier = start) -> SyncRun | None:
            start.wait(TIMEOUT_S)
            return sync_all()

        clock.remote.fault("GET", "/v1/user", "pause")  # so that none ends before the others have started
        since = clock.remote.call_report()["last_id"]
        ran = [thread(begin) for _ in range(4)]
        clock.remote.wait_for_call(path="/v1/user", since=since)
        until(lambda ran=ran: sum(one.done() for one in ran) == 3)
        clock.remote.clear_faults()
        results = [one.result(TIMEOUT_S) for one in ran]
        assert sorted(run is None for run in results) == [False, True, True, True], played
        assert len(clock.remote.calls(since=since, path="/v1/convai/v2/phone-numbers")) == 1
    assert set(SyncRun.objects.values_list("state", flat=True)) == {SyncRun.State.COMPLETE}


@pytest.mark.parametrize("rounds", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_simultaneous_requests_get_the_same_run(rounds, clock: Clock, thread):
    for _ in range(rounds):
        start = threading.Barrier(4)

        def ask(start: threading.Barrier = start) -> SyncRun:
            start.wait(TIMEOUT_S)
            return runs.request_sync(None)

        run_ids = {one.result(TIMEOUT_S).pk for one in [thread(ask) for _ in range(4)]}
        assert len(run_ids) == 1
        assert run_over_all().pk in run_ids
