"""Console changes while a list is read shift rows between its pages: rows are listed twice or on no page. No existing
row is marked as deleted, none is stored twice, and the next undisturbed run is complete."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from controlplane.elevenlabs import ElevenLabs
from controlplane.mirror.models import Hold, SyncRun
from numbers.models import PhoneNumber
from tests.mirror.fixtures import (
    AGENTS,
    NUMBERS,
    WHATS,
    deleted,
    is_gone,
    is_missing,
    known,
    model_of,
    run_over_all,
    text_of,
)
from tests.operations.clock import Clock
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db

PER_PAGE = 3
ConsoleAction = Callable[[], None]


WAYS = [("offset", 2), ("keyset", 1), ("keyset", 2), ("offset", 1)]


def read_by(*gate: tuple[str, int]) -> list[Any]:
    return [pytest.param(way, marks=[] if way in gate else pytest.mark.slow, id=f"{way[0]}-{way[1]}") for way in WAYS]


BY_BOTH_PAGINGS = pytest.mark.parametrize("how_it_is_read", read_by(*WAYS[:2]), indirect=True)


@pytest.fixture(params=read_by(WAYS[0]), autouse=True)  # with offsets, rows shift from one page to another
def how_it_is_read(request, clock, settings):
    """The paging of the remote and the number of concurrent requests."""
    paging, settings.ELEVENLABS_MAX_CONCURRENCY = request.param
    clock.remote.settings(paging=paging)


def slow(*case: object) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


class Between:
    """Console actions right before the n-th page of a list is requested."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.actions: dict[tuple[str, int], ConsoleAction] = {}
        for name in ("list_numbers", "list_agents"):
            patch.setattr(ElevenLabs, name, self._reading(name, getattr(ElevenLabs, name)))

    def _reading(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        requested: list[None] = []

        def page(client: ElevenLabs, **params: Any) -> Any:
            requested.append(None)
            self.actions.pop((name, len(requested)), lambda: None)()
            return read(client, **{**params, "page_size": PER_PAGE})

        self.restarts = getattr(self, "restarts", [])
        self.restarts.append(requested)
        return page

    def at(self, what: str, place: int, action: ConsoleAction) -> None:
        for requested in self.restarts:
            requested.clear()
        self.actions[f"list_{what}s", place] = action

    def all_done(self) -> bool:
        return not self.actions


@pytest.fixture
def between(monkeypatch) -> Between:
    return Between(monkeypatch)


def in_order(clock: Clock, what: str, count: int) -> list[Any]:
    """Mirrored objects in the order of the list."""
    rows = {row.remote_id: row for row in known(clock, what, count)}
    if what == "agent":
        return [rows[row["agent_id"]] for row in clock.remote.get(AGENTS)["agents"]]
    return [rows[row["phone_number_id"]] for row in clock.remote.get("/v1/convai/phone-numbers")]


def settled(clock: Clock) -> bool:
    """Two undisturbed runs later, the mirror matches the remote."""
    clock.passes(10)
    run_over_all()
    run_over_all()
    return mirror_differs(clock.remote) == []


@BY_BOTH_PAGINGS
@pytest.mark.parametrize(
    ("what", "place"),
    [("agent", 2), ("number", 4), slow("agent", 3), slow("agent", 4), slow("number", 2), slow("number", 3)],
)
def test_one_that_was_read_is_deleted(what, place, between, clock):
    """With offsets, the row that shifts to the previous page is on none, so it is looked up and found."""
    rows = in_order(clock, what, 12)
    between.at(what, place, lambda: deleted(clock, rows[0]))
    run = run_over_all()
    assert between.all_done()
    assert not any(is_missing(row) for row in rows)
    assert run.added == 0
    assert settled(clock)
    assert sum(is_gone(row) for row in rows) == 1


@pytest.mark.parametrize("what", ["number", slow("agent")])
def test_five_that_were_read_are_deleted(what, between, clock):
    """The most that may be missing without holding the run."""
    rows = in_order(clock, what, 12)
    between.at(what, 3, lambda: deleted(clock, *rows[:5]))
    run_over_all()
    assert between.all_done()
    assert not any(is_missing(row) for row in rows)
    assert settled(clock)
    assert [is_gone(row) for row in rows] == [True] * 5 + [False] * 7


@BY_BOTH_PAGINGS
@pytest.mark.parametrize(("what", "place"), [("agent", 3), ("number", 2), slow("agent", 2), slow("number", 3)])
def test_one_is_made(what, place, between, clock):
    rows = known(clock, what, 9)

    def make() -> None:
        if what == "agent":
            clock.remote.console("create_agent", name="New")
        else:
            clock.remote.console("add_number", phone_number="+15550209999", label="New")

    between.at(what, place, make)
    run = run_over_all()
    assert between.all_done()
    assert run.quarantined == 0
    assert model_of(what).objects.count() in (9, 10)
    assert not any(is_missing(row) for row in rows)
    assert settled(clock)
    assert model_of(what).objects.count() == 10


@pytest.mark.parametrize("what", WHATS)
def test_a_page_repeats_rows_of_the_one_before(what, between, clock):
    """The repeated rows have changed: each is stored once, and the next run stores the current values."""
    rows = in_order(clock, what, 6)
    key = {"agent": "agents", "number": "phone_numbers"}[what]
    path = {"agent": AGENTS, "number": NUMBERS}[what]
    listed = clock.remote.get(path, page_size=100)[key]
    field = {"agent": "name", "number": "label"}[what]
    repeated = [{**row, field: "Otherwise"} for row in listed[:3]] + listed[3:]
    body = {key: repeated, "has_more": False, "next_cursor": None}
    clock.remote.fault("GET", path, "edit", body=body, skip=1)
    run = run_over_all()
    assert (run.seen, run.added, run.changed) == (6, 0, 0)
    assert [text_of(row) for row in rows[:3]] == [row[field] for row in listed[:3]]
    assert settled(clock)


@pytest.mark.parametrize("what", ["agent", slow("number")])
def test_one_is_renamed_after_it_was_read_and_before(what, between, clock):
    rows = in_order(clock, what, 9)

    def rename() -> None:
        for row in (rows[0], rows[-1]):
            if what == "agent":
                clock.remote.console("rename_agent", agent_id=row.remote_id, name="Moved")
            else:
                clock.remote.console("patch_number", number=row.remote_id, patch={"label": "Moved"})

    clock.passes(2)
    between.at(what, 2, rename)
    run_over_all()
    assert between.all_done()
    assert not any(is_missing(row) for row in rows)
    assert settled(clock)


def test_an_agent_is_archived_between_the_two_lists(between, clock):
    """It is in both lists, and is stored once."""
    rows = known(clock, "agent", 5)
    clock.passes(2)
    between.at("agent", 3, lambda: clock.remote.console("archive_agent", agent_id=rows[0].remote_id))
    run = run_over_all()
    assert between.all_done()
    assert (run.seen, run.quarantined) == (5, 0)
    assert settled(clock)
    assert Agent.objects.get(pk=rows[0].pk).archived


def test_an_agent_is_restored_before_the_second_list(between, clock):
    """It was archived when the first list was read and active when the second was, so it is in neither."""
    rows = known(clock, "agent", 5)
    clock.passes(2)
    clock.remote.console("archive_agent", agent_id=rows[0].remote_id)
    run_over_all()
    assert Agent.objects.get(pk=rows[0].pk).archived
    clock.passes(2)
    between.at("agent", 3, lambda: clock.remote.console("unarchive_agent", agent_id=rows[0].remote_id))
    run = run_over_all()
    assert between.all_done()
    assert run.seen == 4
    assert not is_missing(rows[0])
    assert not Agent.objects.get(pk=rows[0].pk).archived, "it was looked up"
    assert settled(clock)


def test_everything_is_deleted_while_it_is_listed(between, clock):
    rows = known(clock, "number", 12)
    between.at("number", 2, lambda: deleted(clock, *rows))
    run = run_over_all(SyncRun.State.HELD)
    assert run.seen == PER_PAGE
    assert not any(is_missing(row) for row in rows)
    assert Hold.objects.get().out_of == 12
    assert PhoneNumber.objects.filter(gone_at=None).count() == 12
