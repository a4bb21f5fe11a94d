"""A process is killed (SIGKILL) at every point of a move, and another one completes the operation."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import agent, number
from tests.running import ROOT, database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

MOVE = """
import sys, time
import django
django.setup()
from django.conf import settings
from agents.models import Agent
from controlplane.audit import ledger
from controlplane.operations import execute, outcome
from controlplane.operations.actions import action_class
from tests import number_writes as services
from numbers.models import PhoneNumber

point, settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY = sys.argv[1:]
settings.ELEVENLABS_WRITE_DEADLINE = 60

def then_wait(owner, name, turn=1):
    function, turns = getattr(owner, name), []
    def call(*args, **kwargs):
        function(*args, **kwargs)
        turns.append(name)
        if len(turns) < turn:
            return
        print("there", flush=True)
        time.sleep(600)
    setattr(owner, name, call)

places = {
    "intent": (execute, "begin"),
    "check": (action_class("number.assign"), "precheck"),
    "sent": (execute, "mark_sent"),
    "reply": (outcome, "record_call"),
    "sent's commit": (ledger, "record"),
    "verdict's commit": (ledger, "record", 2),
    "verdict": (outcome, "finish"),
}
if point in places:
    then_wait(*places[point])
line, to = PhoneNumber.objects.get(), Agent.objects.get(name="Sales Bot")
services.assign(line, to, shown=line.bound_to, key="key", actor=None)
"""


def killed_at(point: str, clock: Clock) -> None:
    """Start the move in a separate process, and kill that at this point."""
    child = subprocess.Popen(
        [sys.executable, "-c", MOVE, point, clock.remote.url, clock.remote.key],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        if point == "request":
            clock.remote.wait_for_call("PATCH", "/v1/convai/*")
        else:
            assert child.stdout.readline() == "there\n"
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait(20) == -signal.SIGKILL
        child.stdout.close()


CASES: list[Any] = [
    ("intent", None, State.INTENT, State.NOT_SENT),
    ("check", None, State.INTENT, State.NOT_SENT),
    ("sent's commit", None, State.INTENT, State.NOT_SENT),
    ("sent", None, State.SENT, State.NOT_APPLIED),
    ("request", {"fault": "hang", "when": "after"}, State.SENT, State.DONE),
    ("request", {"fault": "hang", "when": "before"}, State.SENT, State.NOT_APPLIED),
    pytest.param("reply", None, State.SENT, State.DONE, marks=pytest.mark.smoke),
    ("verdict's commit", None, State.SENT, State.DONE),
    ("verdict", None, State.DONE, State.DONE),
]


@pytest.mark.parametrize(("point", "fault", "left", "verdict"), CASES)
def test_killed(point, fault, left, verdict, clock):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    if fault:
        clock.remote.fault("PATCH", "/v1/convai/*", **fault)

    killed_at(point, clock)

    op = Operation.objects.get()
    assert op.state == left
    line.refresh_from_db()
    assert line.agent == (to if left == State.DONE else old), "verdict and mirror are one commit"
    clock.remote.clear_faults()
    recover(clock)
    op.refresh_from_db()
    assert op.state == verdict, op.message
    assert PhoneNumber.objects.get().agent == (to if verdict == State.DONE else old)
    assert violations(clock.remote) == []
