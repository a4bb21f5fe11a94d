"""More than five rows, or a tenth, missing at once are not believed: somebody says so, or they are listed again."""

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
# What is missing is counted alike for both: where a test sees no more than that, numbers are the cheaper ones.
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
    else:  # it says no more than this: taken for a whole answer, so the hold has to catch it
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
        assert looked_up == [], "nor asked for one by one"
    hold = Hold.objects.get()
    assert (hold.kind, hold.what, hold.state) == (Hold.Kind.VANISHED, COLLECTION[what], Hold.State.OPEN)
    in_order = list(type(rows[0])._default_manager.order_by("pk").values_list("remote_id", flat=True))
    assert (hold.objects_missing, hold.out_of, hold.run_id) == (in_order, 12, run.pk)
    assert [entry.kind for entry in Entry.objects.filter(object_type="sync")] == ["hold.opened"]


@pytest.mark.parametrize("what", COUNTED)
def test_a_narrower_list_marks_nothing_and_the_rest_is_stored(what, clock):
    """As for a key to which fewer are shared."""
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
    """What is wrong with one list is likely wrong with the other: nothing is marked in this run."""
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
def test_a_held_run_is_none_of_the_two(what, clock):
    """Missing in a complete run, 404 still, and many others missing now: not gone yet."""
    rows = known(clock, what, 12)
    deleted(clock, rows[0])
    run_over_all()
    assert is_missing(rows[0])
    empty_list(clock, what)
    run_over_all(STATES.HELD)
    assert is_missing(rows[0])
    run_over_all()
    assert is_gone(rows[0])


# --- The border -------------------------------------------------------------------------------------------------------
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
    """Five in one run, five in the next: each time five are new."""
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
def test_accepted_it_still_has_to_be_proven_twice(what, clock):
    """Of eight that somebody gave up for gone, six are."""
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
    """The list was wrong, and GET knows better."""
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
def test_an_answer_is_good_for_what_was_asked(what, clock):
    """And for a day."""
    rows = known(clock, what, 18)
    unlisted(clock, what, *ids(rows[:6]))
    run_over_all(STATES.HELD)
    accept(Hold.objects.get())
    unlisted(clock, what, *ids(rows[:12]))
    run_over_all(STATES.HELD)
    hold = Hold.objects.get(state=Hold.State.OPEN)
    assert sorted(hold.objects_missing) == ids(rows[6:12]), "six others"
    clock.passes(25 * 3600)
    unlisted(clock, what, *ids(rows[:6]))
    run_over_all(STATES.HELD)
    hold.refresh_from_db()
    assert sorted(hold.objects_missing) == ids(rows[:6]), "the same question stays open, and asks about these now"
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
    assert hold.state == Hold.State.OPEN, "a partial run knows nothing about it"
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
    """What was never listed is neither missing nor a reason to believe that more may be."""
    now = timezone.now()
    on_their_way = [PhoneNumber(remote_id=f"phnum_{place}", imported_at=now) for place in range(60)]
    PhoneNumber.objects.bulk_create(on_their_way)
    rows = known(clock, "number", 6)[60:]
    deleted(clock, *rows)
    run_over_all(STATES.HELD)
    hold = Hold.objects.get()
    assert (sorted(hold.objects_missing), hold.out_of) == (ids(rows), 6)
