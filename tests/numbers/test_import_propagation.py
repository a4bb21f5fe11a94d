"""An import is accepted first and listed later: it is polled at its due times, and is never sent twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from controlplane.operations.errors import ResourceLocked
from controlplane.operations.models import Operation, State
from numbers import import_polling
from numbers.actions.import_number import ImportNumber
from numbers.e164 import parse
from numbers.models import PhoneNumber
from numbers.models import State as NumberState
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, agent

pytestmark = pytest.mark.django_db

DUE = [*range(61), 120, 180, 240, 300, 360, 420, 480, 540, 600]
LISTS = "/v1/convai/v2/phone-numbers"
MAIN = "+14155550123"
NOTATIONS = ["+1 (415) 555-0123", "4155550123", "+１４１５５５５０１２３", "４１５５５５０１２３"]


def import_number(phone_number: str = MAIN, key: str = "key") -> Operation:
    return services.import_number(phone_number, label="Main", credentials=CREDENTIALS, key=key, actor=None)


def poll_until_done(clock: Clock, asleep: float = 0) -> list[int]:
    """Poll whenever it is due, like beat, with workers that are down for the first `asleep` seconds. Returns the due
    times of the polls in seconds after the import."""
    row = PhoneNumber.objects.get()
    clock.passes(asleep)
    at, since = [], clock.remote.call_report()["last_id"]
    while row.poll_at is not None and row.gave_up_at is None:
        clock.passes(max(0, (row.poll_at - timezone.now()).total_seconds()))
        at.append(round((row.poll_at - row.imported_at).total_seconds()))
        import_polling.poll_due()
        row.refresh_from_db()
    assert len(clock.remote.calls(since, path=LISTS)) == len(at)
    return at


def ten_minutes_pass(clock: Clock) -> PhoneNumber:
    """Let the ten minutes pass with as few polls as possible."""
    assert poll_until_done(clock, asleep=595) == [0, 600]
    return PhoneNumber.objects.get()


def slow(*case: object) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("lag", "found_at", "asleep", "hidden"),
    [
        (0, 0, 0, False),
        slow(0.5, 1, 0, True),
        slow(5, 5, 0, False),
        (5.5, 6, 0, True),
        (59, 59, 57.1, False),
        slow(61, 120, 58.1, False),
        (61, 120, 58.1, True),
        (599, 600, 530.5, False),
        slow(599, 600, 530.5, True),
        slow(0, 0, 0, True),
        slow(0.5, 1, 0, False),
        slow(5, 5, 0, True),
        slow(5.5, 6, 0, False),
        *(slow(*times, 0, hidden) for times in [(59, 59), (61, 120), (599, 600)] for hidden in (False, True)),
    ],
)
def test_found_at_the_first_poll_after_it_is_listed(lag, found_at, asleep, hidden, clock):
    clock.remote.settings(listed_after=lag, hidden_until_listed=hidden)
    op = import_number()
    assert op.state == State.DONE
    row = PhoneNumber.objects.get()
    assert (row.state, row.phone_number, row.remote_id) == (NumberState.PROPAGATING, MAIN, op.object_id)

    at = poll_until_done(clock, asleep)

    assert at == [due for due in DUE if due == 0 or asleep < due <= found_at]
    row.refresh_from_db()
    assert row.state is NumberState.UNASSIGNED
    assert round((row.listed_at - row.imported_at).total_seconds()) == found_at
    recover(clock)
    assert violations(clock.remote) == []


@pytest.mark.parametrize("lag", [601, slow(10**8)])
def test_after_ten_minutes_only_staff_and_the_sync_check_again(lag, clock):
    clock.remote.settings(listed_after=lag)
    import_number()
    assert poll_until_done(clock) == DUE
    row = PhoneNumber.objects.get()
    assert (row.state, row.poll_at) == (NumberState.UNLISTED, None)
    assert "but not listed after 10 minutes. ElevenLabs knows it by its id" in row.listing_verdict
    assert import_polling.poll_due() == 0
    for _ in range(3):  # an accepted import that is not listed is not deleted
        sync_all()
    row.refresh_from_db()
    assert (row.gone_at, row.missing_since) == (None, None)
    clock.passes(lag)
    sync_all()
    row.refresh_from_db()
    assert (row.state, row.listing_verdict) == (NumberState.UNASSIGNED, "")
    assert violations(clock.remote) == []


def test_late_polls_do_not_shift_the_ones_after_them(clock):
    """Workers that were down for a while continue with the same due times, and still stop after ten minutes."""
    clock.remote.settings(listed_after=10**8)
    import_number()
    row = PhoneNumber.objects.get()
    for asleep, due in [(30.5, 31), (69.5, 120), (5, 120), (60, 180), (350, 540), (70, 600)]:
        clock.passes(asleep)
        import_polling.poll_due()
        row.refresh_from_db()
        assert row.poll_at - row.imported_at == timedelta(seconds=due)
    clock.passes(120)
    import_polling.poll_due()
    row.refresh_from_db()
    assert row.poll_at is None


def test_a_poll_that_fails_is_repeated_at_the_next_due_time(clock):
    import_number()
    clock.passes(8)
    clock.remote.fault("GET", "/v1/convai/v2/phone-numbers", "status", status=400)
    assert import_polling.poll_due() == 0
    clock.passes(20)
    assert import_polling.poll_due() == 1


def test_two_workers_poll_once(clock, monkeypatch):
    import_number()
    clock.passes(8)
    polled = []

    def find(rows: list[PhoneNumber], client: object) -> dict[str, object]:
        polled.append(rows)
        clock.passes(20)  # it hangs until the import is due again
        if len(polled) == 1:
            import_polling.poll_due()  # the other worker, at the same time
        return {}

    monkeypatch.setattr(import_polling, "poll_listing", find)
    import_polling.poll_due()
    assert len(polled) == 1
    row = PhoneNumber.objects.get()
    assert row.poll_at - row.imported_at == timedelta(seconds=29), "the later due times stay the same"


def test_a_worker_that_died_while_polling_is_replaced(clock, monkeypatch):
    class Killed(BaseException):
        pass

    def die(rows: list[PhoneNumber], client: object) -> dict[str, object]:
        raise Killed

    clock.remote.settings(listed_after=1)
    import_number()
    clock.passes(5)
    with monkeypatch.context() as patch:
        patch.setattr(import_polling, "poll_listing", die)
        with pytest.raises(Killed):
            import_polling.poll_due()
    assert import_polling.poll_due() == 0
    clock.passes(31)
    assert import_polling.poll_due() == 1


# --- A second import of the same number -------------------------------------------------------------------------------
def posts(clock: Clock) -> int:
    return len(clock.remote.calls(method="POST", path="/v1/convai/phone-numbers"))


@pytest.mark.parametrize(
    ("moment", "typed"),
    [
        *(("propagating", typed) for typed in NOTATIONS),
        ("propagating, hidden", NOTATIONS[0]),
        ("not listed after ten minutes", NOTATIONS[0]),
        ("listed", NOTATIONS[0]),
        ("listed, not mirrored", NOTATIONS[0]),
    ],
)
def test_an_existing_number_is_not_imported_again(moment, typed, clock):
    clock.remote.settings(listed_after=5 if "listed," in moment else 10**8, hidden_until_listed="hidden" in moment)
    if moment == "listed":
        clock.remote.settings(listed_after=0)
    if moment == "listed, not mirrored":
        clock.remote.console("add_number", phone_number=MAIN, agent_id=agent(clock).remote_id)
        clock.passes(10)
    else:
        assert import_number(parse(typed), "first").state == State.DONE
        if "ten minutes" in moment:
            ten_minutes_pass(clock)
        if moment == "listed":
            recover(clock)
    before = posts(clock)

    op = import_number(parse(typed), "second")

    assert (op.state, op.sent_at) == (State.NOT_SENT, None)
    assert op.error_fields == ["phone_number"]
    assert "is already" in op.message
    assert posts(clock) == before
    assert PhoneNumber.objects.filter(phone_number=MAIN).count() == 1, "it must be listed exactly once"
    if moment == "listed, not mirrored":
        assert "answered by Support Bot" in op.message
    if "ten minutes" not in moment:
        clock.remote.settings(listed_after=5)


def test_while_the_first_import_is_unconfirmed_the_second_is_locked_out(clock):
    clock.remote.fault("POST", "/v1/convai/phone-numbers", "reset", when="after")
    first = import_number(MAIN, "first")
    assert first.state == State.SENT
    with pytest.raises(ResourceLocked) as held:
        import_number(MAIN, "second")
    assert held.value.operation == first
    assert posts(clock) == 1
    recover(clock)
    assert violations(clock.remote) == []


def test_two_imports_at_once_are_one(clock, monkeypatch):
    send = ImportNumber.send

    def send_during_another_request(self, client, attempt, secrets):
        with pytest.raises(ResourceLocked):
            import_number(MAIN, "second")
        return send(self, client, attempt, secrets)

    monkeypatch.setattr(ImportNumber, "send", send_during_another_request)
    assert import_number(MAIN, "first").state == State.DONE
    assert posts(clock) == 1


def test_a_number_added_between_check_and_request_is_not_ours(clock, monkeypatch):
    """The remote answers 409 because the console added it. It is shown, and is not recorded as our import."""
    send = ImportNumber.send

    def send_after_the_console(self, client, attempt, secrets):
        clock.remote.console("add_number", phone_number=MAIN, label="Theirs")
        return send(self, client, attempt, secrets)

    monkeypatch.setattr(ImportNumber, "send", send_after_the_console)
    op = import_number()
    assert op.state == State.SENT
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.OVERTAKEN
    assert "already" in op.message
    assert PhoneNumber.objects.get().label == "Theirs"
    assert violations(clock.remote) == []


def test_an_import_that_was_never_listed_can_be_removed_and_repeated(clock):
    clock.remote.settings(listed_after=10**8, hidden_until_listed=True)
    import_number(MAIN, "first")
    row = PhoneNumber.objects.get()
    clock.remote.settings(hidden_until_listed=False)
    clock.remote.console("delete_number", number=row.remote_id)
    clock.passes(700)
    assert services.remove(row, shown="", key="remove", actor=None).state == State.DONE
    clock.remote.settings(listed_after=5)
    assert import_number(MAIN, "again").state == State.DONE
    recover(clock)
    assert violations(clock.remote) == []


def test_an_import_bound_to_an_agent_is_assigned_once_it_is_listed(clock):
    to = agent(clock)
    op = services.import_number(NEW_LINE, label="N", credentials=CREDENTIALS, agent=to, key="k", actor=None)
    assert op.state == State.DONE
    poll_until_done(clock)
    row = PhoneNumber.objects.get()
    assert (row.state, row.agent) == (NumberState.ASSIGNED, to)
    recover(clock)
    assert violations(clock.remote) == []


@pytest.mark.parametrize("action", ["assign", "rename", "remove"])
def test_a_hidden_import_is_not_marked_as_deleted(action, clock):
    clock.remote.settings(listed_after=20, hidden_until_listed=True)
    import_number()
    row = PhoneNumber.objects.get()
    to = agent(clock) if action == "assign" else None
    writes = {
        "assign": lambda key: services.assign(row, to, shown="", key=key, actor=None),
        "rename": lambda key: services.set_label(row, "Night line", shown=row.label, key=key, actor=None),
        "remove": lambda key: services.remove(row, shown="", key=key, actor=None),
    }
    op = writes[action]("too early")
    assert op.state == State.NOT_SENT
    assert "cannot be seen at ElevenLabs yet: its import was accepted at " in op.message
    row.refresh_from_db()
    assert (row.gone_at, row.missing_since, row.state) == (None, None, NumberState.PROPAGATING)
    clock.passes(30)
    assert writes[action]("in time").state == State.DONE
    recover(clock)
    assert violations(clock.remote) == []
