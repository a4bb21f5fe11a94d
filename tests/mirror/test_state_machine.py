"""Any events in any order: a few fixed sequences, and many random ones in the whole suite.

For a longer run: `HYPOTHESIS_SECONDS=600 pytest tests/mirror/test_state_machine.py`.
"""

import os
from time import monotonic

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from controlplane.elevenlabs import transport
from tests.mirror.faults import LOST, READS
from tests.mirror.state_machine import NAMES, ControlPlaneMachine
from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine_remote")]

EXTRA_S = float(os.environ.get("HYPOTHESIS_SECONDS", "0"))
MANY = settings(
    max_examples=40,
    stateful_step_count=14,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
FEW = settings(MANY, max_examples=2, phases=[Phase.generate])  # the first example of a seed is short and simple
# Chosen because they fail for a sync that loses a change of a number, stores no changed label, never marks a row as
# deleted, or records late effects as external changes.
SEEDS = [1, 11]


@pytest.fixture
def machine_remote(remote: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.random, "uniform", lambda *_: 0.0)
    ControlPlaneMachine.remote = remote


@pytest.mark.parametrize("number", SEEDS)
def test_fixed_sequences(number):
    class Seeded(ControlPlaneMachine):
        pass

    run_state_machine_as_test(seed(number)(Seeded), settings=FEW)


def test_each_fault_of_a_read_in_turn():
    """Few random sequences contain a list that breaks off. This one has every fault, with console changes between."""
    machine = ControlPlaneMachine()
    try:
        machine.is_set_up(begins=True, listed_after=0, hidden=False, after_delete="dangling", paging="offset")
        machine.we_create(name=NAMES[2], lost=LOST[1])
        for place, fault in enumerate(READS):
            machine.the_console_on_a_number(action="label", number=0, place=place + 1)
            machine.the_console_on_an_agent(action="patch", place=place % 2)
            machine.time_passes(seconds=20)
            # A shortened list counts as complete, so a second run looks up the missing rows.
            for _ in range(2 if fault[1]["fault"] == "edit" else 1):
                machine.a_sync_with_a_fault(fault=fault, skip=0)
        machine.the_console_on_a_number(action="delete", number=1, place=0)
    finally:
        machine.teardown()


@pytest.mark.slow
@pytest.mark.timeout(EXTRA_S + 600)
def test_anything_in_any_order():
    ends = monotonic() + EXTRA_S
    run_state_machine_as_test(ControlPlaneMachine, settings=MANY)
    while monotonic() < ends:
        run_state_machine_as_test(ControlPlaneMachine, settings=settings(MANY, stateful_step_count=30))
