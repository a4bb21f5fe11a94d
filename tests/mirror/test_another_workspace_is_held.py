"""A key of a different workspace, or a different base URL, changes nothing until staff accept it."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from numbers.models import PhoneNumber
from tests.crossed import cases
from tests.mirror.fixtures import changed, deleted, is_gone, is_missing, known, made, run_over_all, text_of
from tests.operations.clock import Clock
from tests.operations.consistency_checks import mirror_differs
from tests.sandbox_in_process import SandboxInProcess
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db

NOT_ALLOWED = {
    "detail": {
        "status": "missing_permissions",
        "message": "The API key you used is missing the permission user_read to execute this operation.",
    }
}
HERE = "workspace_sandbox"
STATES = SyncRun.State


@pytest.fixture
def other(tmp_path: Path, remote: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A second remote with its own URL."""
    sandbox = SandboxInProcess().start(tmp_path / "other.sqlite3")
    sandbox.serve_clients(monkeypatch)
    yield sandbox
    sandbox.stop()


@pytest.fixture(autouse=True)
def two_reads_at_once(settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


def report_workspace(remote: Sandbox, workspace: str | None) -> None:
    """Set the workspace that the remote reports. None: the key lacks the permission to read it."""
    if workspace is None:
        remote.fault("GET", "/v1/user", "status", status=401, body=NOT_ALLOWED, times=1000)
    else:
        remote.fault("GET", "/v1/user", "edit", body={"workspace_id": workspace}, times=1000)


class Move:
    """A change from the remote's first workspace to its second one."""

    def __init__(self, clock: Clock, here: str | None, there: str | None, count: int) -> None:
        self.clock, self.there = clock, there
        report_workspace(clock.remote, here)
        made(clock, "agent", count)
        made(clock, "number", count)
        run_over_all()
        self.rows = [*Agent.objects.order_by("pk"), *PhoneNumber.objects.order_by("pk")]
        self.old = [row.remote_id for row in self.rows]

    def apply(self, agents: int = 4, numbers: int = 9) -> None:
        """Replace the remote's objects by those of another workspace."""
        self.clock.remote.reset(agents=agents, numbers=numbers)
        report_workspace(self.clock.remote, self.there)

    def is_unchanged(self) -> bool:
        assert Agent.objects.count() + PhoneNumber.objects.count() == len(self.old)
        return not any(is_missing(row) for row in self.rows) and not OutsideChange.objects.exists()


def accept(hold: Hold) -> None:
    ada = User.objects.get_or_create(username="ada")[0]
    assert holds.accept(hold, actor=ada, name="ada")


# --- Held -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("here", "there", "count"),  # both workspaces are reported, one of them, none
    cases(
        [
            (HERE, "workspace_b", 8),
            (HERE, "workspace_b", 1),
            (HERE, None, 8),
            (None, "workspace_b", 8),
            (None, None, 8),
        ],
        [(HERE, "workspace_b", 1), (HERE, None, 8), (None, None, 8)],
    ),
)
def test_nothing_is_stored_and_nothing_is_missing(here, there, count, clock):
    move = Move(clock, here, there, count)
    move.apply()
    for _ in range(3):
        run = run_over_all(STATES.HELD)
        assert "the API key belongs to another workspace" in run.problem
        assert (run.seen, run.added, run.changed, run.gone) == (0, 0, 0, 0)
        assert move.is_unchanged()
    hold = Hold.objects.get()
    assert (hold.kind, hold.state, hold.run_id) == (Hold.Kind.WORKSPACE, Hold.State.OPEN, run.pk)
    host = clock.remote.url.removeprefix("http://")
    assert (hold.here, hold.there) == (f"{host}/{here or ''}", f"{host}/{there or ''}")
    lists = clock.remote.calls(path="/v1/convai/agents") + clock.remote.calls(path="/v1/convai/v2/phone-numbers")
    assert lists == [], "no list is requested"


def test_another_base_url_with_the_same_database(clock, settings, other):
    move = Move(clock, HERE, HERE, 3)
    other.reset(agents=3, numbers=3)
    settings.ELEVENLABS_BASE_URL = other.url
    run = run_over_all(STATES.HELD)
    assert move.is_unchanged()
    hold = Hold.objects.get()
    there = other.url.removeprefix("http://")
    assert hold.there == f"{there}/{HERE}" != hold.here
    assert there in run.problem
    settings.ELEVENLABS_BASE_URL = clock.remote.url
    run_over_all()
    hold.refresh_from_db()
    assert hold.state == Hold.State.OVER
    assert mirror_differs(clock.remote) == []


def test_the_right_key_again_ends_it(clock):
    known(clock, "number")
    report_workspace(clock.remote, "workspace_b")
    run_over_all(STATES.HELD)
    clock.remote.clear_faults()
    run_over_all()
    assert Hold.objects.get().state == Hold.State.OVER
    assert [entry.kind for entry in Entry.objects.filter(object_type="sync").order_by("pk")] == [
        "hold.opened",
        "hold.over",
    ]


# --- Not held ---------------------------------------------------------------------------------------------------------
def test_a_key_without_user_read_that_shows_the_known_objects(clock):
    rows = known(clock, "number", 8)
    report_workspace(clock.remote, None)
    deleted(clock, *rows[:5])
    run_over_all()
    assert [is_missing(row) for row in rows] == [True] * 5 + [False] * 3
    assert not Hold.objects.exists()


@pytest.mark.parametrize("gone", cases(["agents", "numbers"], ["numbers"]))
def test_one_kind_may_be_gone_altogether(gone, clock):
    """That is a hold for missing objects, not for another workspace."""
    move = Move(clock, None, None, 8)
    deleted(clock, *(row for row in move.rows if f"{row.object_type}s" == gone))
    run_over_all(STATES.HELD)
    assert (Hold.objects.get().kind, Hold.objects.get().what) == (Hold.Kind.VANISHED, gone)


@pytest.mark.parametrize("status", cases([401, 500, 503], [401, 503]))
def test_without_an_answer_the_run_is_partial_and_explains_why(status, clock, monkeypatch):
    """Without an answer, the run cannot identify the workspace."""
    monkeypatch.setattr("controlplane.elevenlabs.transport.random.uniform", lambda *_: 0.0)
    rows = known(clock, "number", 8)
    clock.remote.fault("GET", "/v1/*", "status", status=status, times=1000)
    run = run_over_all(STATES.PARTIAL)
    assert "could not be read" in run.problem
    assert not Hold.objects.exists()
    assert not any(is_missing(row) for row in rows)


@pytest.mark.parametrize("answer", [{"fault": "garbage"}, {"fault": "status", "status": 503, "times": 3}])
def test_an_invalid_answer_does_not_name_a_workspace(answer, clock, monkeypatch):
    monkeypatch.setattr("controlplane.elevenlabs.transport.random.uniform", lambda *_: 0.0)
    known(clock, "number", 8)
    clock.remote.fault("GET", "/v1/user", **answer)
    assert run_over_all().workspace == ""
    assert run_over_all().workspace == HERE


# --- Accepted ---------------------------------------------------------------------------------------------------------
NAMED = [(HERE, "workspace_b"), (HERE, None), (None, "workspace_b"), (None, None)]
ACCEPTED = [(*NAMED[0], 3, True), (*NAMED[3], 12, False)]  # few and many objects; recognized by name and by their ids


@pytest.mark.parametrize(
    ("here", "there", "count", "partial_first"),
    cases([(*names, *how) for names, how in product(NAMED, product([3, 12], [False, True]))], ACCEPTED),
)
def test_once_it_is_accepted_the_mirror_moves(here, there, count, partial_first, clock):
    move = Move(clock, here, there, count)
    move.apply(agents=4, numbers=9)
    run_over_all(STATES.HELD)
    clock.passes(60)
    accept(Hold.objects.get())
    if partial_first:
        clock.passes(60)
        clock.remote.fault("GET", "/v1/convai/v2/phone-numbers", "status", status=500)
        run_over_all(STATES.PARTIAL)
    for missing, gone in [(True, False), (True, True), (True, True)]:
        clock.passes(60)
        run_over_all()
        for row in move.rows:
            assert is_gone(row) == gone
            assert (row.missing_since is not None) == missing
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists(), "neither the new objects nor the old ones are external changes"
    assert not Hold.objects.filter(state=Hold.State.OPEN).exists()

    new = PhoneNumber.objects.filter(gone_at=None).first()
    assert new is not None
    changed(clock, new, "Console line")
    run_over_all()
    assert text_of(new) == "Console line"
    assert OutsideChange.objects.count() == 1, "later changes are recorded"


def test_and_back_again(clock, settings, other):
    move = Move(clock, HERE, HERE, 8)
    other.reset(agents=8, numbers=8)
    clock.remote.clear_faults()
    for url in (other.url, clock.remote.url):
        settings.ELEVENLABS_BASE_URL = url
        clock.passes(60)
        run_over_all(STATES.HELD)
        clock.passes(60)
        accept(Hold.objects.get(state=Hold.State.OPEN))
        for _ in range(3):
            clock.passes(60)
            run_over_all()
    assert not any(is_gone(row) for row in move.rows)
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists()


def test_a_workspace_accepted_without_a_name_can_be_named_later(clock):
    move = Move(clock, HERE, None, 8)
    move.apply()
    run_over_all(STATES.HELD)
    clock.passes(60)
    accept(Hold.objects.get())
    for _ in range(2):
        clock.passes(60)
        run_over_all()
    clock.remote.clear_faults()
    report_workspace(clock.remote, "workspace_b")
    clock.passes(60)
    assert run_over_all().workspace == "workspace_b"
    report_workspace(clock.remote, None)
    clock.remote.clear_faults()
    report_workspace(clock.remote, HERE)
    clock.passes(60)
    run_over_all(STATES.HELD)


def test_accepting_one_workspace_does_not_accept_a_third(clock):
    move = Move(clock, HERE, "workspace_b", 3)
    move.apply()
    run_over_all(STATES.HELD)
    clock.passes(60)
    accept(Hold.objects.get())
    clock.remote.clear_faults()
    report_workspace(clock.remote, "workspace_c")
    run_over_all(STATES.HELD)
    assert move.is_unchanged()
    assert Hold.objects.get(state=Hold.State.OPEN).there.endswith("/workspace_c")


def test_a_hold_is_accepted_once(clock):
    known(clock, "number")
    report_workspace(clock.remote, "workspace_b")
    run_over_all(STATES.HELD)
    hold, ada = Hold.objects.get(), User.objects.create(username="ada")
    assert [holds.accept(hold, actor=ada, name="ada") for _ in range(2)] == [True, False]
    entry: Any = Entry.objects.get(kind="hold.accepted")
    assert (entry.actor, entry.actor_name, entry.after["there"].endswith("/workspace_b")) == (ada, "ada", True)
