"""The command as a process that gets Ctrl-C, or is killed: what it made is removed, by it or by the next call."""

import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from controlplane.lifecycle.models import Report
from controlplane.operations.models import Operation, State
from tests.lifecycle.conftest import at_the_fault, newest, nothing_is_left
from tests.operations.consistency_checks import violations
from tests.sandbox_process import Sandbox

NUMBERS, AGENTS = "/v1/convai/phone-numbers", "/v1/convai/agents"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def remote(remote_process: Sandbox) -> Sandbox:
    """In a process of its own, which goes on whatever becomes of the others."""
    return remote_process


# (method, path, how many such calls come first)
CREATE = ("POST", f"{AGENTS}/create", 0)
IMPORT = ("POST", NUMBERS, 4)  # the one that is to succeed
SWAP = ("PATCH", f"{NUMBERS}/*", 1)
DELETE = ("DELETE", f"{AGENTS}/*", 0)  # with the number bound
REMOVE = ("DELETE", f"{NUMBERS}/*", 0)


def no_lag_but_for_an_import(method: str, remote: Sandbox) -> None:
    """A process waits in real time until its import is listed, which is of use only where the import is the last."""
    if method != "POST":
        remote.settings(listed_after=0)


@pytest.mark.parametrize(
    ("method", "path", "skip"),
    [
        pytest.param(*CREATE, marks=pytest.mark.smoke),
        IMPORT,
        DELETE,
        *(pytest.param(*point, marks=pytest.mark.slow) for point in (SWAP, REMOVE)),
    ],
)
def test_ctrl_c_lets_the_request_end_and_cleans_up(method, path, skip, child, remote):
    no_lag_but_for_an_import(method, remote)
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


# "after": ElevenLabs had done it, and no answer came. "before": it never did.
KILLS = [(*CREATE, "after"), (*IMPORT, "after"), (*SWAP, "before"), (*DELETE, "after"), (*REMOVE, "before")]
MORE_KILLS = [(*SWAP, "after"), (*DELETE, "before"), (*REMOVE, "after")]


@pytest.mark.parametrize(
    ("method", "path", "skip", "when"), [*KILLS, *(pytest.param(*kill, marks=pytest.mark.slow) for kill in MORE_KILLS)]
)
def test_after_a_kill_the_next_call_removes_what_is_left(method, path, skip, when, child, remote):
    no_lag_but_for_an_import(method, remote)
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


def test_a_kill_before_anything_was_sent_leaves_no_lock(child, remote):
    """While the check reads the number that is to be assigned: after the import's read back, and one by its id."""
    remote.settings(listed_after=0)
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
