"""A run whose list breaks off on any page is partial: its rows are stored, and no row is marked as missing."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from controlplane.elevenlabs import ElevenLabs, transport
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.crossed import cases
from tests.operations.clock import Clock
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db

NUMBERS, AGENTS = "/v1/convai/v2/phone-numbers", "/v1/convai/agents"
PER_PAGE = 2
TRIES = transport.MAX_TRIES
NO_END: dict[str, Any] = {"fault": "edit", "body": {"has_more": True, "next_cursor": None}}
BREAKS: dict[str, dict[str, Any]] = {
    "500": {"fault": "status", "status": 500},
    "hangs": {"fault": "hang"},
    "reset": {"fault": "reset", "times": TRIES},
    "garbage": {"fault": "garbage"},
    "empty 200": {"fault": "empty"},
    "truncated": {"fault": "truncate", "times": TRIES},
    "cursor loop": {"fault": "edit"},  # the cursor is filled in
    "has_more without a cursor": NO_END,
}
WRONG_SHAPES: dict[str, dict[str, Any]] = {
    "{}": {"fault": "status", "status": 200, "body": {}},
    "null": {"fault": "status", "status": 200, "raw": b"null"},
    "[]": {"fault": "status", "status": 200, "body": []},
    "null for rows": {"fault": "edit", "body": {"phone_numbers": None, "agents": None}},
    "a null row": {"fault": "edit", "body": {"phone_numbers": [None], "agents": [None]}},
    "an object for rows": {"fault": "edit", "body": {"phone_numbers": {}, "agents": {}}},
    "detail": {"fault": "status", "status": 200, "body": {"detail": "Not authenticated"}},
    "html": {"fault": "html"},
    "has_more is a word": {"fault": "edit", "body": {"has_more": "false", "next_cursor": None}},
    "has_more is null": {"fault": "edit", "body": {"has_more": None, "next_cursor": None}},
    "an invalid cursor": {"fault": "edit", "body": {"next_cursor": 7}},
    "a cursor without has_more": {"fault": "status", "status": 200, "body": {"phone_numbers": [], "next_cursor": "x"}},
    "401": {"fault": "status", "status": 401},
    "404 for the path": {"fault": "status", "status": 404, "body": {"detail": "Not Found"}, "times": 2},
    "429": {"fault": "status", "status": 429, "times": TRIES},
    "503": {"fault": "status", "status": 503, "times": TRIES},
}


class Pages:
    """Small pages that are counted, with a short timeout for the one that hangs and retries without a delay."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cursors: list[str | None] = []  # the cursor of each requested page
        self.hangs_at = 0
        patch.setattr(transport.random, "uniform", lambda *_: 0.0)
        for name in ("list_numbers", "list_agents"):
            patch.setattr(ElevenLabs, name, self._counted(getattr(ElevenLabs, name)))

    def _counted(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def page(client: ElevenLabs, **params: Any) -> Any:
            self.cursors.append(params["cursor"])
            if len(self.cursors) == self.hangs_at:
                client._http._read_deadline = 0.05
            return read(client, **params | {"page_size": PER_PAGE})

        return page


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    return Pages(monkeypatch)


def run_over_all() -> SyncRun:
    run = sync_all()
    assert run is not None
    return run


def is_untouched(model: Any, count: int) -> bool:
    rows = model.objects.filter(missing_since=None, gone_at=None)
    return rows.count() == model.objects.count() == count


def breaks_at(clock: Clock, path: str, place: int, how: dict[str, Any], **more: Any) -> None:
    clock.remote.fault("GET", path, **how, skip=place - 1, **more)


# --- On each page -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [3, pytest.param(50, marks=pytest.mark.slow)])  # the first, an inner, the last
@pytest.mark.parametrize("name", BREAKS)
def test_numbers_on_each_page(name, count, clock, pages, settings):
    clock.remote.reset(numbers=count * PER_PAGE)
    assert run_over_all().state == SyncRun.State.COMPLETE
    ids = list(PhoneNumber.objects.order_by("pk").values_list("remote_id", flat=True))
    cursors = pages.cursors[-count:]
    labels = dict(PhoneNumber.objects.values_list("remote_id", "label"))
    remote_labels = dict(labels)

    for place in range(1, count + 1):
        settings.ELEVENLABS_MAX_CONCURRENCY = 1 + place % 2
        how, at = BREAKS[name], place
        if name == "cursor loop":  # back to the same page; no cursor leads to the first page, so the last one is used
            at = place if place > 1 else count
            how = how | {"body": {"has_more": True, "next_cursor": cursors[max(place - 1, 1)]}}
        shows_its_rows = how["fault"] == "edit" and name != "has_more without a cursor"
        seen = at * PER_PAGE if shows_its_rows else (at - 1) * PER_PAGE
        clock.passes(1)
        for number_id in ids[max(seen - 1, 0) : seen + 1]:  # the last row that is seen and the first that is not
            remote_labels[number_id] = f"{name} {place}"
            clock.remote.console("patch_number", number=number_id, patch={"label": remote_labels[number_id]})
        labels |= {number_id: remote_labels[number_id] for number_id in ids[:seen]}
        pages.cursors.clear()
        pages.hangs_at = 2 + at if name == "hangs" else 0  # after the two lists of agents
        breaks_at(clock, NUMBERS, at, how)

        run = run_over_all()

        assert (run.state, run.seen, run.gone) == (SyncRun.State.PARTIAL, seen, 0), (place, run.problem)
        assert "The list of numbers could not be read to its end. " in run.problem
        assert len(pages.cursors) == 2 + at
        assert dict(PhoneNumber.objects.values_list("remote_id", "label")) == labels, place
        assert is_untouched(PhoneNumber, len(ids)), place
        clock.remote.clear_faults()

    assert not Hold.objects.exists()
    pages.cursors.clear()
    assert run_over_all().state == SyncRun.State.COMPLETE
    assert mirror_differs(clock.remote) == []


# All lists share the code that detects a break. Only agents have two lists, so only these cases are tested again.
@pytest.mark.parametrize(
    ("name", "active", "archived", "width"),  # pages
    cases(
        [(name, *pages) for name in BREAKS for pages in [(2, 2, 2), (4, 2, 1), (4, 2, 2)]],
        [("500", 2, 2, 2), ("cursor loop", 2, 2, 2)],
    ),
)
def test_agents_on_each_page_of_both_lists(name, active, archived, width, clock, pages, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = width
    clock.remote.reset(agents=(active + archived) * PER_PAGE)
    for row in clock.remote.get(AGENTS)["agents"][: archived * PER_PAGE]:
        clock.remote.console("archive_agent", agent_id=row["agent_id"])
    assert run_over_all().state == SyncRun.State.COMPLETE
    assert [cursor is None for cursor in pages.cursors].count(True) == 3
    cursors = pages.cursors[: active + archived]

    for place in range(1, active + archived + 1):
        first = place in (1, active + 1)
        how, at = BREAKS[name], place
        if name == "cursor loop":
            at = place + first  # no cursor leads to a first page
            how = how | {"body": {"has_more": True, "next_cursor": cursors[at - 1]}}
        pages.cursors.clear()
        pages.hangs_at = at if name == "hangs" else 0
        breaks_at(clock, AGENTS, at, how)

        run = run_over_all()

        assert (run.state, run.gone) == (SyncRun.State.PARTIAL, 0), (place, run.problem)
        assert "The list of agents could not be read to its end. " in run.problem
        assert is_untouched(Agent, (active + archived) * PER_PAGE), place
        clock.remote.clear_faults()
    assert run_over_all().state == SyncRun.State.COMPLETE
    assert not OutsideChange.objects.exists()


# --- Answers that are not a page --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "what", "place"),
    [
        (NUMBERS, "numbers", 3),
        (AGENTS, "agents", 1),
        pytest.param(NUMBERS, "numbers", 1, marks=pytest.mark.slow),
        pytest.param(AGENTS, "agents", 3, marks=pytest.mark.slow),
    ],
)
def test_an_answer_that_is_not_a_page_does_not_end_the_list(path, what, place, clock, pages, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 2
    clock.remote.reset(agents=3 * PER_PAGE, numbers=3 * PER_PAGE)
    assert run_over_all().state == SyncRun.State.COMPLETE
    for name, how in WRONG_SHAPES.items():
        if name == "404 for the path" and path == NUMBERS:
            clock.remote.fault("GET", "/v1/convai/phone-numbers", "status", status=404, body={"detail": "Not Found"})
        breaks_at(clock, path, place, how, query="" if path == NUMBERS else "archived=false")

        run = run_over_all()

        assert run.state == SyncRun.State.PARTIAL, name
        assert f"The list of {what} could not be read to its end. " in run.problem, name
        assert is_untouched(PhoneNumber, 3 * PER_PAGE), name
        assert is_untouched(Agent, 3 * PER_PAGE), name
        assert not Hold.objects.exists(), name
        clock.remote.clear_faults()
    assert run_over_all().state == SyncRun.State.COMPLETE
    assert mirror_differs(clock.remote) == []


def test_a_list_that_does_not_end_is_given_up(clock, pages, monkeypatch):
    """Each page has a new cursor, so this is not detected as a loop."""
    monkeypatch.setattr("controlplane.elevenlabs.paging.MAX_PAGES", 20)
    clock.remote.reset(numbers=21 * PER_PAGE)
    run = run_over_all()
    assert (run.state, run.added) == (SyncRun.State.PARTIAL, 20 * PER_PAGE + Agent.objects.count())
    assert "more than 20 pages" in run.problem
