"""An import that is not listed after ten minutes gets a verdict: found by its id, or deleted. Staff can check it again,
the number is locked against a second import until the verdict, and a sync that finds it ends the polling."""

from datetime import timedelta

import pytest
from django.utils import timezone

from controlplane.audit.models import Entry
from controlplane.operations.models import Operation
from controlplane.operations.models import State as OperationState
from numbers import import_polling
from numbers.models import PhoneNumber, State
from numbers.sync import sync_all
from tests import number_writes as services
from tests.numbers.test_import_propagation import LISTS, MAIN, import_number, posts, ten_minutes_pass
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations

pytestmark = pytest.mark.django_db

BY_ID = "/v1/convai/phone-numbers/*"
NEVER = 10**8


@pytest.fixture
def given_up(clock: Clock) -> PhoneNumber:
    """Accepted and found by its id, but not listed after ten minutes."""
    clock.remote.settings(listed_after=NEVER)
    import_number()
    return ten_minutes_pass(clock)


@pytest.fixture
def removed(clock: Clock) -> PhoneNumber:
    """Accepted, and removed in the console before it was listed, ten minutes ago."""
    clock.remote.settings(listed_after=NEVER)
    import_number()
    clock.remote.console("delete_number", number=PhoneNumber.objects.get().remote_id)
    return ten_minutes_pass(clock)


def test_the_verdict_names_the_time_and_the_next_step(given_up):
    assert given_up.state is State.UNLISTED
    accepted = timezone.localtime(given_up.imported_at)
    assert given_up.listing_verdict.startswith(
        f"Accepted by ElevenLabs at {accepted:%H:%M}, but not listed after 10 minutes. ElevenLabs knows it by its id, "
        "so do not import it again: check again"
    )


def test_before_the_verdict_there_is_none(clock):
    clock.remote.settings(listed_after=NEVER)
    import_number()
    clock.passes(590)
    import_polling.poll_due()
    row = PhoneNumber.objects.get()
    assert (row.state, row.listing_verdict, row.gave_up_at) == (State.PROPAGATING, "", None)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("fault", [500, 429, 401])
def test_without_an_answer_there_is_no_verdict(fault, clock):
    clock.remote.settings(listed_after=NEVER)
    import_number()
    row = PhoneNumber.objects.get()
    for path in (LISTS, BY_ID):
        clock.passes(700)
        clock.remote.fault("GET", path, "status", status=fault, times=3, headers={"Retry-After": "0"})
        import_polling.poll_due()
        row.refresh_from_db()
        assert (row.state, row.gave_up_at) == (State.PROPAGATING, None)
        assert timezone.now() < row.poll_at <= timezone.now() + timedelta(minutes=1)
        clock.remote.clear_faults()
    clock.passes(61)
    import_polling.poll_due()
    row.refresh_from_db()
    assert row.state is State.UNLISTED


def test_a_removed_import_is_recognized_and_gone_after_a_second_check(removed, clock):
    assert (removed.state, removed.gone_at) == (State.UNLISTED, None), "one 404 is not enough"
    assert "not found by its id either" in removed.listing_verdict
    assert removed.poll_at == removed.missing_since + timedelta(minutes=10)
    clock.passes(590)
    assert import_polling.poll_due() == 0
    assert PhoneNumber.objects.get().gone_at is None
    clock.passes(11)
    import_polling.poll_due()
    removed.refresh_from_db()
    assert (removed.state, removed.poll_at, removed.listing_verdict) == (State.GONE, None, "")
    assert Entry.objects.filter(kind="number.gone", cause=Entry.Cause.SYNC, cause_id="poll").count() == 1
    calls = len(clock.remote.calls())
    clock.passes(100_000)
    import_polling.poll_due()
    assert len(clock.remote.calls()) == calls


def test_one_that_comes_back_by_its_id_is_not_gone(removed, clock, monkeypatch):
    clock.remote.console("add_number", phone_number="+15550100188", label="x")  # its data is used below
    other = clock.remote.ledger()[-1]["object_id"]
    data = clock.remote.get(f"/v1/convai/phone-numbers/{other}") | {"phone_number_id": removed.remote_id}
    clock.passes(601)
    clock.remote.fault("GET", f"/v1/convai/phone-numbers/{removed.remote_id}", "status", status=200, body=data)
    import_polling.poll_due()
    removed.refresh_from_db()
    assert (removed.gone_at, removed.missing_since, removed.state) == (None, None, State.UNLISTED)


# --- The lock --------------------------------------------------------------------------------------------------------
def test_the_number_is_locked_while_its_id_is_found(given_up, clock):
    before = posts(clock)
    second = import_number(MAIN, "second")
    assert (second.state, second.sent_at) == (OperationState.NOT_SENT, None)
    assert "is already at ElevenLabs" in second.message
    assert "in no list" in second.message
    assert posts(clock) == before


def test_the_verdict_gone_ends_the_lock(removed, clock):
    clock.remote.settings(listed_after=5)
    assert import_number(MAIN, "second").state == OperationState.DONE
    recover(clock)
    clock.passes(700)
    import_polling.poll_due()
    old, new = PhoneNumber.objects.order_by("pk")
    assert (old.state, new.state) == (State.GONE, State.UNASSIGNED)
    assert violations(clock.remote) == []


def test_one_that_is_only_hidden_is_not_imported_twice(clock):
    """Its id is not found, but ElevenLabs refuses the second import because the number exists."""
    clock.remote.settings(listed_after=NEVER, hidden_until_listed=True)
    import_number()
    assert ten_minutes_pass(clock).missing_since is not None
    second = import_number(MAIN, "second")
    assert second.state == OperationState.SENT
    clock.passes(200)
    clock.remote.settings(hidden_until_listed=False)
    assert len([entry for entry in clock.remote.ledger() if entry["kind"] == "import_number"]) == 1
    clock.passes(NEVER)
    sync_all()
    assert PhoneNumber.objects.get().state is State.UNASSIGNED


# --- Check again ------------------------------------------------------------------------------------------------------
def test_check_again_finds_it_with_one_call(given_up, clock):
    clock.passes(NEVER)
    before = len(clock.remote.calls())
    listed, words = import_polling.check_again(given_up)
    assert (listed, words) == (True, "ElevenLabs lists +1 415 555 0123 now.")
    assert len(clock.remote.calls()) == before + 1
    given_up.refresh_from_db()
    assert (given_up.state, given_up.poll_at) == (State.UNASSIGNED, None)
    assert import_polling.check_again(given_up) == (True, "+1 415 555 0123 is listed already.")


@pytest.mark.parametrize("fault", [None, 500])
def test_check_again_begins_a_new_round(fault, given_up, clock):
    clock.passes(3600)
    if fault:
        clock.remote.fault("GET", LISTS, "status", status=fault)
    listed, words = import_polling.check_again(given_up)
    assert not listed
    assert words.startswith("Whether +1 415 555 0123 is listed could not be read." if fault else "ElevenLabs does not")
    given_up.refresh_from_db()
    assert (given_up.state, given_up.gave_up_at) == (State.PROPAGATING, None)
    began, seconds = given_up.poll_from, [0]  # checked at once, as requested
    while given_up.gave_up_at is None:
        clock.passes((given_up.poll_at - timezone.now()).total_seconds())
        seconds.append(round((given_up.poll_at - began).total_seconds()))
        if seconds[-1] in (3, 120):  # then the workers are down for a while
            clock.passes({3: 55, 120: 470}[seconds[-1]])
        import_polling.poll_due()
        given_up.refresh_from_db()
    assert seconds == [0, 1, 2, 3, 59, 60, 120, 600]
    assert given_up.state is State.UNLISTED


def test_check_again_does_not_lengthen_a_round_that_is_under_way(clock):
    clock.remote.settings(listed_after=NEVER)
    import_number()
    row = PhoneNumber.objects.get()
    clock.passes(100)
    import_polling.check_again(row)
    row.refresh_from_db()
    assert (row.poll_from, row.sought_since) == (None, row.imported_at)


def test_checking_a_deleted_import_again_ends_it(removed, clock):
    clock.passes(300)
    import_polling.check_again(removed)
    removed.refresh_from_db()
    assert removed.state is State.PROPAGATING
    clock.passes(601)
    import_polling.poll_due()
    removed.refresh_from_db()
    assert removed.state is State.GONE, "404 twice, ten minutes apart"


# --- A sync finds it first --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("after", [30, 700])
def test_a_sync_that_finds_it_first_ends_the_polling(after, clock):
    clock.remote.settings(listed_after=5)
    import_number()
    clock.passes(after)
    if after > 600:
        PhoneNumber.objects.update(poll_at=None, gave_up_at=timezone.now(), missing_since=timezone.now())
    sync_all()
    row = PhoneNumber.objects.get()
    assert (row.poll_at, row.gave_up_at, row.missing_since) == (None, None, None)
    assert row.listed_at is not None
    calls = len(clock.remote.calls())
    clock.passes(700)
    assert import_polling.poll_due() == 0
    assert len(clock.remote.calls()) == calls


def test_a_sync_that_finds_it_during_a_poll_is_not_undone(clock, monkeypatch):
    clock.remote.settings(listed_after=5)
    import_number()
    clock.passes(700)

    def find(rows: list[PhoneNumber], client: object) -> dict[str, object]:
        sync_all()
        return {}  # the list was read before the sync

    monkeypatch.setattr(import_polling, "poll_listing", find)
    import_polling.poll_due()
    row = PhoneNumber.objects.get()
    assert (row.state, row.poll_at, row.gave_up_at) == (State.UNASSIGNED, None, None)


def test_what_an_operation_changed_meanwhile_is_not_overwritten(clock, monkeypatch):
    clock.remote.settings(listed_after=5)
    import_number()
    clock.passes(6)
    row = PhoneNumber.objects.get()
    real = import_polling.poll_listing

    def slow(rows: list[PhoneNumber], client: object) -> dict[str, object]:
        found = real(rows, client)
        assert services.set_label(row, "Night", shown="Main", key="r", actor=None).state == OperationState.DONE
        return found

    with monkeypatch.context() as patch:
        patch.setattr(import_polling, "poll_listing", slow)
        import_polling.poll_due()
    row.refresh_from_db()
    assert (row.label, row.listed_at) == ("Night", None)
    clock.passes(2)
    assert import_polling.poll_due() == 1
    row.refresh_from_db()
    assert row.label == "Night"
    assert Operation.objects.count() == 2
