"""Anything in any order: a few stories that are the same each time, and in the whole suite many that are not.

A run of another length: `HYPOTHESIS_SECONDS=600 pytest tests/mirror/test_state_machine.py`.
"""

import os
from time import monotonic

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from controlplane.elevenlabs import transport
from tests.mirror.world import World
from tests.sandbox_process import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

SECONDS = float(os.environ.get("HYPOTHESIS_SECONDS", "0"))
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
FEW = settings(MANY, max_examples=3, phases=[Phase.generate])  # the first one of a seed is short and plain


@pytest.fixture
def world(remote: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.random, "uniform", lambda *_: 0.0)
    World.remote = remote


@pytest.mark.parametrize("number", range(4))
def test_stories_that_are_always_the_same(number):
    class Story(World):
        pass

    run_state_machine_as_test(seed(number)(Story), settings=FEW)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
def test_anything_in_any_order():
    ends = monotonic() + SECONDS
    run_state_machine_as_test(World, settings=MANY)
    while monotonic() < ends:
        run_state_machine_as_test(World, settings=settings(MANY, stateful_step_count=30))
