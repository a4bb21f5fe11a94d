"""If more than five rows and more than a tenth are missing at once, the run is held until staff accept it or the rows
are listed again."""

from itertools import product

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, OutsideChange, RemoteObject, SyncRun
from numbers.models import PhoneNumber
from tests.crossed import cases
from tests.mirror.fixtures import (
    AGENTS,
    NUMBERS,
    WHATS,
    changed,
    deleted,
    is_gone,
    is_missing,
    known,
    run_over_all,
    text_of,
    unlisted,
)
from tests.operations.clock import Clock
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db
STATES = SyncRun.State
COLLECTION = {"agent": "agents", "number": "numbers"}
# Missing rows of both kinds are counted by the same code, and numbers are cheaper.
COUNTED = cases(WHATS, ["number"])


@pytest.fixture(autouse=True)
def two_reads_at_once(settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 2


def ids(rows: list[RemoteObject]) -> list[str]:
    return sorted(row.remote_id for row in rows)


def accept(hold: Hold) -> None:
    assert holds.accept(hold, actor=User.objects.get_or_create(username="ada")[0], name="ada")


def empty_list(clock: Clock, what: str, runs: int = 1) -> None:
    if what == "agent":
        body = {"agents": [], "has_more": False, "next_cursor": None}
        clock.remote.fault("GET", AGENTS, "edit", query="archived=false", body=body, times=runs)
    else:  # a list without has_more counts as complete, so the hold has to catch it
        clock.remote.fault("GET", NUMBERS, "status", status=200, body={"phone_numbers": []}, times=runs)


# --- Held -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", WHATS)
def test_an_empty_list_marks_nothing(what, clock):
    rows = known(clock, what, 12)
    empty_list(clock, what, runs=3)
    for _ in range(3):
        since = clock.remote.call_report()["last_id"]
        run = run_over_all(STATES.HELD)
        assert f"12 of 12 {COLLECTION[what]} are not in the list any more" in run.problem
        assert not any(is_missing(row) for row in rows)
        looked_up = [call for call in clock.remote.calls(since=since) if rows[0].remote_id in call["path"]]
        assert looked_up == [], "the objects are not looked up one by one"
    hold = Hold.objects.get()
    assert (hold.kind, hold.what, hold.state) == (Hold.Kind.VANISHED, COLLECTION[what], Hold.State.OPEN)
    in_order = list(type(rows[0])._default_manager.order_by("pk").values_list("remote_id", flat=True))
    assert (hold.objects_missing, hold.out_of, hold.run_id) == (in_order, 12, run.pk)
    assert [entry.kind for entry in Entry.objects.filter(object_type="sync")] == ["hold.opened"]


@pytest.mark.parametrize("what", COUNTED)
def test_a_narrower_list_marks_nothing_and_the_rest_is_stored(what, clock):
    """Like a key that has access to fewer objects."""
    rows = known(clock, what, 12)
    hidden, shown = rows[:6], rows[6:]
    changed(clock, shown[0], "New")
    unlisted(clock, what, *ids(hidden))
    run = run_over_all(STATES.HELD)
    assert text_of(shown[0]) == "New"
    assert run.seen == len(shown)
    assert sorted(Hold.objects.get().objects_missing) == ids(hidden)
    assert not any(is_missing(row) for row in rows)


@pytest.mark.parametrize("what", WHATS)
def test_one_kind_that_is_held_holds_the_other_too(what, clock):
    """The fault of one list is likely to affect the other, so this run marks nothing."""
    other = "number" if what == "agent" else "agent"
    (gone,) = known(clock, other, 1)
    known(clock, what, 12)
    deleted(clock, gone)
    empty_list(clock, what)
    run_over_all(STATES.HELD)
    assert not is_missing(gone)
    run_over_all()
    assert is_missing(gone)


@pytest.mark.parametrize("what", COUNTED)
def test_a_held_run_does_not_count_as_one_of_the_two(what, clock):
    """Missing in a complete run and still 404, but many others are missing now: not yet marked as deleted."""
    rows = known(clock, what, 12)
    deleted(clock, rows[0])
    run_over_all()
    assert is_missing(rows[0])
    empty_list(clock, what)
    run_over_all(STATES.HELD)
    assert is_missing(rows[0])
    run_over_all()
    assert is_gone(rows[0])


# --- The limit --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("what", "count", "missing"),
    cases(
        [(what, *some) for what in WHATS for some in [(1, 1), (5, 5), (30, 5)]],
        [("agent", 1, 1), ("agent", 5, 5), ("number", 30, 5)],
    ),
)
def test_few_are_believed(count, missing, what, clock):
    rows = known(clock, what, count)
    deleted(clock, *rows[:missing])
    run_over_all()
    assert sum(is_missing(row) for row in rows) == missing
    run_over_all()
    assert sum(is_gone(row) for row in rows) == missing
    assert not Hold.objects.exists()
    assert mirror_differs(clock.remote) == []


@pytest.mark.parametrize(("what", "count"), cases(product(WHATS, [6, 30]), [("agent", 6), ("number", 30)]))
def test_six_of_so_few_are_held(count, what, clock):
    rows = known(clock, what, count)
    deleted(clock, *rows[:6])
    run_over_all(STATES.HELD)
    assert not any(is_missing(row) for row in rows)


@pytest.mark.parametrize(("out_of", "believed"), [(0, 5), (50, 5), (59, 5), (60, 6), (69, 6), (70, 7), (1000, 100)])
def test_five_or_a_tenth(out_of, believed):
    assert not holds.too_many(believed, out_of)
    assert holds.too_many(believed + 1, out_of)


@pytest.mark.parametrize("what", COUNTED)
def test_what_was_missing_before_is_not_counted_again(what, clock):
    """Five in one run and five in the next: only five are new each time."""
    rows = known(clock, what, 30)
    deleted(clock, *rows[:5])
    run_over_all()
    deleted(clock, *rows[5:10])
    run_over_all()
    assert [is_gone(row) for row in rows[:10]] == [True] * 5 + [False] * 5
    deleted(clock, *rows[10:16])
    run_over_all(STATES.HELD)
    assert [is_gone(row) for row in rows[:10]] == [True] * 5 + [False] * 5


# --- How it ends ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", WHATS)
def test_an_accepted_deletion_still_needs_two_runs(what, clock):
    """Of eight rows accepted as missing, six are deleted."""
    rows = known(clock, what, 12)
    deleted(clock, *rows[:6])
    unlisted(clock, what, *ids(rows[6:8]), runs=3)
    run_over_all(STATES.HELD)
    hold = Hold.objects.get()
    accept(hold)
    assert not any(is_missing(row) for row in rows)
    run_over_all()
    assert [is_missing(row) for row in rows] == [True] * 6 + [False] * 6
    run = run_over_all()
    assert run.gone == 6
    assert [is_gone(row) for row in rows] == [True] * 6 + [False] * 6
    assert OutsideChange.objects.count() == 6
    run_over_all()
    assert mirror_differs(clock.remote) == []
    hold.refresh_from_db()
    assert (hold.state, hold.decided_by_name) == (Hold.State.ACCEPTED, "ada")
    assert Hold.objects.count() == 1


@pytest.mark.parametrize("what", COUNTED)
def test_accepted_by_mistake_nothing_is_lost(what, clock):
    """The list was wrong, and the lookups find the objects."""
    rows = known(clock, what, 12)
    empty_list(clock, what, runs=4)
    run_over_all(STATES.HELD)
    accept(Hold.objects.get())
    for _ in range(3):
        run_over_all()
        assert not any(is_missing(row) for row in rows)
    assert run_over_all().gone == 0
    assert mirror_differs(clock.remote) == []


@pytest.mark.parametrize("what", COUNTED)
def test_accepting_covers_the_rows_of_that_hold_for_a_day(what, clock):
    rows = known(clock, what, 18)
    unlisted(clock, what, *ids(rows[:6]))
    run_over_all(STATES.HELD)
    accept(Hold.objects.get())
    unlisted(clock, what, *ids(rows[:12]))
    run_over_all(STATES.HELD)
    hold = Hold.objects.get(state=Hold.State.OPEN)
    assert sorted(hold.objects_missing) == ids(rows[6:12]), "only the six others are held"
    clock.passes(25 * 3600)
    unlisted(clock, what, *ids(rows[:6]))
    run_over_all(STATES.HELD)
    hold.refresh_from_db()
    assert sorted(hold.objects_missing) == ids(rows[:6]), "the same hold stays open, now for these rows"
    assert not any(is_missing(row) for row in rows)


@pytest.mark.parametrize("what", COUNTED)
def test_it_passes_when_they_are_listed_again(what, clock):
    rows = known(clock, what, 12)
    empty_list(clock, what)
    run_over_all(STATES.HELD)
    hold = Hold.objects.get()
    empty_list(clock, "number" if what == "agent" else "agent")
    clock.remote.fault("GET", AGENTS, "status", status=500)
    run_over_all(STATES.PARTIAL)
    hold.refresh_from_db()
    assert hold.state == Hold.State.OPEN, "a partial run does not decide it"
    clock.remote.clear_faults()
    run_over_all()
    hold.refresh_from_db()
    assert (hold.state, hold.decided_by) == (Hold.State.OVER, None)
    assert not any(is_missing(row) for row in rows)
    assert not holds.accept(hold, actor=User.objects.create(username="late"), name="late")
    assert [entry.kind for entry in Entry.objects.filter(object_type="sync").order_by("pk")] == [
        "hold.opened",
        "hold.over",
    ]


def test_numbers_on_their_way_do_not_count(clock):
    """Numbers that were never listed are not missing, and do not raise the limit."""
    now = timezone.now()
    on_their_way = [PhoneNumber(remote_id=f"phnum_{place}", imported_at=now) for place in range(60)]
    PhoneNumber.objects.bulk_create(on_their_way)
    rows = known(clock, "number", 6)[60:]
    deleted(clock, *rows)
    run_over_all(STATES.HELD)
    hold = Hold.objects.get()
    assert (sorted(hold.objects_missing), hold.out_of) == (ids(rows), 6)
