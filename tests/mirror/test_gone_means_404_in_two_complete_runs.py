"""A row is marked as deleted only after two complete runs that did not list it and got 404 for it."""

from itertools import product

import pytest

from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from tests.crossed import cases
from tests.mirror.fixtures import (
    AGENTS,
    NUMBERS,
    WHATS,
    answers,
    changed,
    deleted,
    is_gone,
    is_missing,
    known,
    run_over_all,
    text_of,
    unlisted,
)
from tests.operations.consistency_checks import mirror_differs

pytestmark = pytest.mark.django_db

LIST = {"agent": AGENTS, "number": NUMBERS}
OTHER = {"agent": "number", "number": "agent"}
# For tests that only count runs. Other tests in this file cover both kinds of list and lookup.
COUNTED = cases(WHATS, ["number"])


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 2], autouse=True)
def width(request, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = request.param


@pytest.mark.parametrize("what", WHATS)
def test_deleted_in_the_console(what, clock):
    gone, kept, _ = known(clock, what)
    deleted(clock, gone)
    assert run_over_all().gone == 0
    assert is_missing(gone)
    assert not is_missing(kept)
    assert run_over_all().gone == 1
    assert is_gone(gone)
    assert run_over_all().gone == 0
    assert mirror_differs(clock.remote) == []
    entries = Entry.objects.filter(object_id=gone.remote_id).exclude(kind__endswith=".added")
    assert [entry.kind for entry in entries] == [f"{what}.gone"]


@pytest.mark.parametrize("what", WHATS)
def test_404_once_and_listed_again(what, clock):
    row, *_ = known(clock, what)
    for _ in range(2):  # the count starts again
        unlisted(clock, what, row.remote_id)
        answers(clock, row, 404)
        run_over_all()
        assert is_missing(row)
        run_over_all()
        assert not is_missing(row)
    assert mirror_differs(clock.remote) == []
    assert not OutsideChange.objects.exists()


@pytest.mark.parametrize("what", COUNTED)
def test_404_once_and_answered_the_next_time(what, clock):
    row, *_ = known(clock, what)
    unlisted(clock, what, row.remote_id, runs=2)
    answers(clock, row, 404)
    run_over_all()
    assert is_missing(row)
    run_over_all()
    assert not is_missing(row)


@pytest.mark.parametrize("what", WHATS)
def test_an_unlisted_object_that_answers_exists_and_is_kept_up_to_date(what, clock):
    row, *_ = known(clock, what)
    for text in ("First", "Second", "Third"):
        changed(clock, row, text)
        unlisted(clock, what, row.remote_id)
        run_over_all()
        assert not is_missing(row)
        assert text_of(row) == text


@pytest.mark.parametrize(("what", "status"), cases(product(WHATS, [403, 422, 500]), [("number", 403), ("agent", 500)]))
def test_an_error_does_not_count_as_404(status, what, clock):
    """The key has no access, or the service fails: nothing is known, so nothing changes."""
    row, *_ = known(clock, what)
    unlisted(clock, what, row.remote_id, runs=4)
    for _ in range(2):
        answers(clock, row, status)
        run = run_over_all()
        assert [one["id"] for one in run.left_out] == [row.remote_id]
        assert not is_missing(row)
    answers(clock, row, 404)
    run_over_all()
    answers(clock, row, status)
    run_over_all()
    assert is_missing(row), "the result of a complete run stays until a newer one"


@pytest.mark.parametrize("what", WHATS)
def test_a_404_for_the_path_does_not_count_for_the_object(what, clock):
    row, *_ = known(clock, what)
    unlisted(clock, what, row.remote_id, runs=2)
    path = {"agent": "/v1/convai/agents/", "number": "/v1/convai/phone-numbers/"}[what] + row.remote_id
    clock.remote.fault("GET", path, "status", status=404, body={"detail": "Not Found"}, times=2)
    for _ in range(2):
        run_over_all()
        assert not is_missing(row)


@pytest.mark.parametrize(
    ("what", "broken"),
    cases(
        product(WHATS, ["its list", "the other list", "the look-up"]),
        [("agent", "its list"), ("number", "the other list"), ("number", "the look-up")],
    ),
)
def test_a_partial_run_between_the_two_decides_nothing(broken, what, clock):
    gone, *_ = known(clock, what)
    deleted(clock, gone)
    for missing in (False, True):  # instead of the first and of the second
        if broken == "the look-up":
            answers(clock, gone, 401)
        else:
            clock.remote.fault("GET", LIST[what if broken == "its list" else OTHER[what]], "status", status=500)
        run_over_all(SyncRun.State.PARTIAL)
        assert is_missing(gone) == missing
        if not missing:
            run_over_all()
            assert is_missing(gone)
    assert run_over_all().gone == 1
    assert is_gone(gone)


@pytest.mark.parametrize("what", COUNTED)
def test_a_run_that_could_not_look_up_the_one_decides_nothing_about_the_other(what, clock):
    """The lists were complete and this object got 404, but the run is partial."""
    gone, *_ = known(clock, what)
    other, *_ = known(clock, OTHER[what])
    deleted(clock, gone, other)
    for missing in (False, True):
        answers(clock, other, 401)
        run_over_all(SyncRun.State.PARTIAL)
        assert is_missing(gone) == missing
        if not missing:
            run_over_all()
            assert is_missing(gone)
    assert run_over_all().gone == 2


@pytest.mark.parametrize("what", WHATS)
def test_a_deleted_row_may_come_back(what, clock):
    row, *_ = known(clock, what)
    unlisted(clock, what, row.remote_id, runs=2)
    answers(clock, row, 404, times=2)
    run_over_all()
    run_over_all()
    assert is_gone(row)
    run = run_over_all()
    assert not is_missing(row)
    assert (run.added, run.changed) == (0, 1)
    assert Entry.objects.latest("pk").kind == f"{what}.back"
    assert mirror_differs(clock.remote) == []
