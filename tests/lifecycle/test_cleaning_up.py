"""Whatever ends a run, what it made is removed or named, and nothing else is ever touched."""

import signal
from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import call_command
from django.utils import timezone

from agents import services as agents
from controlplane.audit.why import UNSAID
from controlplane.elevenlabs import connect
from controlplane.lifecycle import tidying
from controlplane.lifecycle.asking import Asker
from controlplane.lifecycle.models import KEPT, Asked, Report
from controlplane.operations.models import Operation, State
from tests.lifecycle.conftest import at_the_fault, newest, nothing_is_left, step
from tests.operations.oracle import violations

NUMBERS, AGENTS = "/v1/convai/phone-numbers", "/v1/convai/agents"
OF_TESTS = pytest.mark.django_db
OF_PROCESSES = pytest.mark.django_db(transaction=True)
FORBIDDEN = {"detail": {"type": "authorization_error", "code": "forbidden", "message": "No.", "status": "forbidden"}}

POINTS = [  # (method, path, how many such calls come first)
    ("POST", f"{AGENTS}/create", 0),
    ("POST", NUMBERS, 4),  # the import that is to succeed
    ("PATCH", f"{NUMBERS}/*", 1),  # the swap
    ("DELETE", f"{AGENTS}/*", 0),  # with the number bound
    ("DELETE", f"{NUMBERS}/*", 0),
]


@OF_PROCESSES
@pytest.mark.parametrize(("method", "path", "skip"), POINTS)
def test_ctrl_c_lets_the_request_end_and_cleans_up(method, path, skip, child, remote):
    remote.fault(method, path, "pause", skip=skip, seconds=60)
    running = child()
    held = at_the_fault(remote, method, path, skip)
    running.process.send_signal(signal.SIGINT)
    running.wait_for("Stopping after this request")
    remote.clear_faults()
    assert running.wait() == 5, running.output
    assert nothing_is_left(remote)
    assert newest().state == Report.State.BROKEN_OFF
    assert sum(call["method"] == "POST" for call in remote.calls(since=held["id"])) == 0, "nothing new was begun"
    assert violations(remote) == []


@OF_PROCESSES
def test_a_second_ctrl_c_names_what_it_leaves(child, remote):
    remote.fault("POST", NUMBERS, "pause", skip=4, seconds=60)
    running = child()
    at_the_fault(remote, "POST", NUMBERS, 4)
    running.process.send_signal(signal.SIGINT)
    running.wait_for("Stopping after this request")
    remote.fault("GET", f"{NUMBERS}/*", "pause", seconds=60, times=9)
    running.process.send_signal(signal.SIGINT)
    running.wait_for("Cleaning up")
    running.process.send_signal(signal.SIGINT)
    assert running.wait() == 4, running.output
    assert "Left over: agent Support Bot agent_" in running.output
    assert "Left over: number" in running.output
    remote.clear_faults()
    assert child("--clean-up").wait() == 0
    assert nothing_is_left(remote)


@OF_TESTS
def test_one_that_comes_as_the_clean_up_begins_names_it_too(remote):
    report = Report.objects.create(base_url=remote.url, actor_name="system")
    asker = Asker(report, connect(), actor=None, why=UNSAID, stopping=Event())
    made = asker.ask(
        lambda said: agents.create(name="Support Bot", body={"conversation_config": {}}, **said),
        makes="agent",
        name="Support Bot",
    )

    def tell(words: str) -> None:
        if words.startswith("Cleaning up"):
            raise KeyboardInterrupt

    (left,) = tidying.end(asker, tell)
    assert (left.name, left.object_id) == ("Support Bot", made.object_id)


# "after": ElevenLabs had done it, and nobody was told. "before": it never did.
KILLS = [(*point, when) for point in POINTS for when in ("after", "before") if (point[0], when) != ("POST", "before")]


@OF_PROCESSES
@pytest.mark.parametrize(("method", "path", "skip", "when"), KILLS)
def test_after_a_kill_the_next_call_removes_what_is_left(method, path, skip, when, child, remote):
    remote.fault(method, path, "hang", skip=skip, when=when)
    running = child()
    at_the_fault(remote, method, path, skip)
    running.kill()
    assert Operation.objects.filter(state=State.SENT).count() == 1
    remote.clear_faults()
    if when == "before":
        a_minute_passes()
    again = child("--clean-up")
    assert again.wait() == 0, again.output
    assert "Nothing is left of earlier runs." in again.output
    assert nothing_is_left(remote)
    assert newest().state == Report.State.BROKEN_OFF
    assert newest().data["broken_off"]
    assert violations(remote) == []


def a_minute_passes() -> None:
    """That a lost write did nothing is believed after 60 s, of an import after 100."""
    Operation.objects.filter(state=State.SENT).update(sent_at=timezone.now() - timedelta(minutes=3))


@OF_PROCESSES
def test_a_kill_before_anything_was_sent_leaves_no_lock(child, remote):
    """While the check reads the number that is to be assigned: after the import's read back, and one by its id."""
    remote.fault("GET", f"{NUMBERS}/*", "hang", skip=2)
    running = child()
    at_the_fault(remote, "GET", f"{NUMBERS}/*", 2)
    running.kill()
    (left,) = Operation.objects.filter(state=State.INTENT)
    remote.clear_faults()
    assert child("--clean-up").wait() == 0
    left.refresh_from_db()
    assert (left.kind, left.state) == ("number.assign", State.NOT_SENT)
    assert nothing_is_left(remote)


@OF_PROCESSES
def test_a_lost_create_that_never_came(child, remote):
    remote.fault("POST", f"{AGENTS}/create", "hang", when="before")
    running = child()
    at_the_fault(remote, "POST", f"{AGENTS}/create", 0)
    running.kill()
    remote.clear_faults()
    a_minute_passes()
    assert child("--clean-up").wait() == 0
    assert Operation.objects.get().state == State.NOT_APPLIED
    assert remote.ledger() == []


@OF_PROCESSES
def test_the_next_run_begins_with_what_the_killed_one_left(child, remote, monkeypatch):
    """The number too, which is the one that it is to import."""
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+1 415 555 0123")
    remote.fault("PATCH", f"{NUMBERS}/*", "hang", when="after")
    running = child()
    at_the_fault(remote, "PATCH", f"{NUMBERS}/*", 0)
    running.kill()
    remote.clear_faults()
    running = child()
    assert running.wait() == 0, running.output
    assert nothing_is_left(remote)


@OF_TESTS
def test_what_cannot_be_removed_is_named_and_tried_again(lifecycle, remote):
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    status, printed = lifecycle()
    assert status == 4, printed
    assert len(newest().data["left"]) == 3
    assert all(word in printed for word in ("Left over: number", "Support Bot agent_", "Sales Bot agent_"))
    assert printed.endswith("--clean-up tries again.\n")
    status, printed = lifecycle("--clean-up")
    assert status == 4
    assert printed.count("Left over from an earlier run:") == 3
    remote.clear_faults()
    status, printed = lifecycle("--clean-up")
    assert (status, "Nothing is left of earlier runs." in printed) == (0, True)
    assert nothing_is_left(remote)
    assert newest().data["left"] == []


@OF_TESTS
def test_nothing_is_removed_that_it_did_not_make(lifecycle, remote):
    """Not an agent of the same name, not a number that was there, not what other operations made here."""
    namesake = remote.create_agent("Support Bot")
    remote.import_number("+14155550001", "Main", agent_id=namesake)
    op = agents.create(name="Sales Bot", body={"conversation_config": {}}, key="a form's", actor=None)
    before = len(remote.ledger())
    assert lifecycle()[0] == 0
    assert lifecycle("--clean-up")[0] == 0
    touched = {entry["object_id"] for entry in remote.ledger()[before:]}
    kept = {row["agent_id"] for row in remote.get(AGENTS)["agents"]}
    assert kept == {namesake, op.object_id}
    assert not touched & {*kept, *(row["phone_number_id"] for row in remote.get(NUMBERS))}
    made = {entry["object_id"] for entry in remote.ledger()[before:] if entry["before"] is None}
    assert touched <= made


@OF_TESTS
def test_a_number_that_is_there_is_left_alone(lifecycle, remote, monkeypatch):
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+1 415 555 0001")
    remote.import_number("+14155550001", "Main")
    remote.advance(10)
    status, printed = lifecycle()
    assert status == 1
    assert "+14155550001 is in this workspace already" in printed
    assert not Report.objects.exists()
    assert len(remote.ledger()) == 1


@OF_TESTS
def test_a_number_that_somebody_uses_by_now_is_left_as_it_is(lifecycle, remote):
    remote.fault("DELETE", f"{NUMBERS}/*", "status", status=403, body=FORBIDDEN, times=99)
    assert lifecycle()[0] == 4
    remote.clear_faults()
    (left,) = remote.get(NUMBERS)
    stranger = remote.console("create_agent", name="Night Desk")["agent_id"]
    remote.console("assign", number=left["phone_number_id"], agent_id=stranger)
    status, printed = lifecycle("--clean-up")
    assert status == 4
    assert "Somebody has assigned it to another agent meanwhile" in printed
    assert remote.get(NUMBERS)[0]["assigned_agent"]["agent_id"] == stranger
    remote.console("assign", number=left["phone_number_id"], agent_id=None)
    assert lifecycle("--clean-up")[0] == 0
    assert [row["agent_id"] for row in remote.get(AGENTS)["agents"]] == [stranger]


@OF_TESTS
def test_a_request_is_recorded_before_it_is_sent(lifecycle, remote):
    """Of each thing that the sandbox made, the record was committed first: by it the clean-up finds it."""
    lifecycle()
    made = [entry for entry in remote.ledger() if entry["before"] is None]
    asked = {asked.operation.object_id: asked for asked in Asked.objects.exclude(makes="") if asked.operation}
    assert {entry["object_id"] for entry in made} <= set(asked)
    for entry in made:
        op = asked[entry["object_id"]].operation
        assert op.created_at.timestamp() <= op.sent_at.timestamp() <= entry["at"]
    assert step("create")["operation"] == Operation.objects.earliest("pk").pk


@OF_TESTS
def test_nobody_has_to_read_what_it_prints(quick, remote):
    """As with `manage.py lifecycle | head`."""

    class Closed(StringIO):
        def write(self, words: str) -> int:
            raise BrokenPipeError

    call_command("lifecycle", stdout=Closed())
    assert newest().state == Report.State.AS_ASSUMED
    assert nothing_is_left(remote)


@OF_TESTS
def test_an_error_of_ours_cleans_up_too(lifecycle, remote, monkeypatch):
    def breaks(*args: object) -> None:
        raise RuntimeError("a secret, perhaps")

    monkeypatch.setattr("controlplane.lifecycle.steps.propagation.check_again", breaks)
    status, printed = lifecycle()
    assert status == 5
    assert "an error of this program (RuntimeError)" in printed
    assert "a secret, perhaps" not in printed
    assert newest().state == Report.State.BROKEN_OFF
    assert nothing_is_left(remote)


@OF_TESTS
def test_the_last_fifty_are_kept_and_those_with_something_left(lifecycle, remote):
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    lifecycle()
    with_rest = newest().pk
    Report.objects.bulk_create(Report(base_url="http://127.0.0.1:1", actor_name="x") for _ in range(KEPT + 3))
    tidying.forget_old()
    assert Report.objects.count() == KEPT + 1
    assert Report.objects.filter(pk=with_rest).exists()
    assert connect().get_agent(next(iter(remote.get(AGENTS)["agents"]))["agent_id"])
