"""In its first minute, an import is found within two seconds after ElevenLabs lists it, whatever the phase of beat.
Many imports at once take no more calls than one."""

from datetime import UTC, datetime, timedelta
from itertools import cycle, product

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from controlplane.elevenlabs import connect
from numbers import import_polling
from numbers.models import PhoneNumber
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import Clock
from tests.operations.writes import CREDENTIALS

pytestmark = pytest.mark.django_db

BEAT = settings.CELERY_BEAT_SCHEDULE["poll imports"]["schedule"]
LISTS = "/v1/convai/v2/phone-numbers"


def import_number(at: int = 0) -> PhoneNumber:
    typed = f"+155501002{at:02}"
    op = services.import_number(typed, label=str(at), credentials=CREDENTIALS, key=f"key {at}", actor=None)
    return PhoneNumber.objects.get(remote_id=op.object_id)


ACCEPTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "row",
    [
        PhoneNumber(imported_at=ACCEPTED),
        PhoneNumber(imported_at=ACCEPTED - timedelta(hours=5), poll_from=ACCEPTED),  # staff requested a new round
        PhoneNumber(first_seen=ACCEPTED),
    ],
    ids=["an import", "a new round", "not imported here"],
)
def test_the_next_look_is_at_the_next_whole_second_or_minute(row):
    """Every moment of eleven minutes that could matter: at a due time, just before and just after it."""
    each_second, each_minute = range(61), range(120, 601, 60)
    due = [*each_second, *each_minute]
    for at, nearly in product([*range(601), 660], [-0.001, 0.0, 0.4, 0.5, 0.999]):
        with time_machine.travel(ACCEPTED + timedelta(seconds=at + nearly), tick=False):
            found = import_polling.next_poll_at(row)
        later = [second for second in due if second > at + nearly]
        assert found == (ACCEPTED + timedelta(seconds=later[0]) if later else None), at + nearly


# Listed at once, just after a poll, just before one, at one, and late in the first minute; with a beat that is exact
# and one that is alternately early and late.
SOON, LATER = [0.1, 4.05, 4.95, 5.0], [14.2, 22.01, 35.5, 47.3, 58.9]
PHASES, JITTERS = [0.0, 0.4, 0.9], [0.0, 0.1]


@pytest.mark.parametrize(
    ("lag", "phase", "jitter"),
    cases(  # the formula is tested above; here each short lag with a different phase for each beat
        product([*SOON, *LATER], PHASES, JITTERS),
        [
            (lag, PHASES[(place + jittery) % 3], JITTERS[jittery])
            for place, lag in enumerate(SOON)
            for jittery in (0, 1)
        ],
    ),
)
def test_whenever_it_is_listed_and_whenever_beat_ticks(lag, phase, jitter, clock):
    clock.remote.settings(listed_after=lag)
    row = import_number()
    clock.passes(phase)
    played = phase  # real time is added to this, which only makes polls and listings earlier
    early_and_late = cycle((-jitter, jitter))
    while True:
        import_polling.poll_due()
        row.refresh_from_db()
        if row.listed_at is not None:
            break
        tick = BEAT + next(early_and_late)
        clock.passes(tick)
        played += tick
        assert played < lag + 3
    assert played - lag <= 1.5, "the rest of the two seconds is for the page, which polls every half second"


def test_a_tick_that_comes_a_moment_early_takes_what_is_due_a_moment_later(clock: Clock):
    """Otherwise it would have to wait a second for the next tick."""
    import_number()
    with time_machine.travel(timezone.now(), tick=False):
        looks = []
        for seconds in (0.6, 0.4):
            PhoneNumber.objects.update(poll_at=timezone.now() + timedelta(seconds=seconds))
            before = clock.remote.call_report()["last_id"]
            import_polling.poll_due()
            looks.append(len(clock.remote.calls(before, path=LISTS)))
    assert looks == [0, 1]


def test_many_imports_due_at_once_are_one_call(clock: Clock):
    clock.remote.settings(listed_after=60)
    rows = [import_number(at) for at in range(12)]
    clock.passes(3)
    before = len(clock.remote.calls())
    assert import_polling.poll_due() == 0
    assert len(clock.remote.calls()) == before + 1
    clock.passes(60)
    assert import_polling.poll_due() == len(rows)
    assert len(clock.remote.calls()) == before + 2
    assert not PhoneNumber.objects.filter(listed_at=None).exists()


def test_a_few_in_a_large_workspace_are_requested_by_number(clock: Clock, monkeypatch):
    """The whole list has more pages than numbers are due."""
    monkeypatch.setattr(import_polling, "MAX_PAGE_SIZE", 1)
    rows = [import_number(at) for at in range(3)]
    clock.passes(6)
    before = len(clock.remote.calls())
    assert import_polling.poll_listing(rows, connect()).keys() == {row.remote_id for row in rows}
    calls = clock.remote.calls(path=LISTS)
    assert len(clock.remote.calls()) == before + 3
    assert all("phone_number=" in call["query"] for call in calls[-3:])


def test_numbers_on_later_pages_are_found_too(clock: Clock, monkeypatch):
    for at in range(4):
        clock.remote.console("add_number", phone_number=f"+155501003{at:02}", label="x")
    rows = [import_number(at) for at in range(4)]
    clock.passes(6)
    monkeypatch.setattr(import_polling, "MAX_PAGE_SIZE", 3)
    before = len(clock.remote.calls())
    assert import_polling.poll_listing(rows, connect()).keys() == {row.remote_id for row in rows}
    assert len(clock.remote.calls()) == before + 3


def test_the_time_until_it_was_listed_is_recorded(clock: Clock):
    assert import_polling.typical_times() is None
    for at, lag in enumerate([1, 2, 3, 20]):
        clock.remote.settings(listed_after=lag)
        row = import_number(at)
        clock.passes(lag + 0.5)
        import_polling.poll_due()
        row.refresh_from_db()
        assert row.listing_took.endswith(" s")
        assert lag <= float(row.listing_took[:-2]) < lag + 2
    half, most = import_polling.typical_times() or (0, 0)
    assert 2 < half < 4
    assert 20 < most < 22
