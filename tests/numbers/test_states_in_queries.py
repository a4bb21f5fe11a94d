"""The state of a number is computed by the database, with an index, and is the same for a filter and for a row."""

from itertools import product

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from controlplane.operations.models import Operation
from numbers import filters
from numbers.models import PhoneNumber, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def every_kind(db) -> None:
    """All combinations of the states of a number, its agent and its operation."""
    now = timezone.now()
    agents = [None, *(Agent.objects.create(remote_id=f"agent_{at}", gone_at=at) for at in (None, now))]
    mixtures = product(*([None, now],) * 3, agents, ["", "agent_x"], [None, "sent", "intent", "done"])
    for at, (gone, listed, gave_up, agent, bound, operation) in enumerate(mixtures):
        PhoneNumber.objects.create(
            remote_id=f"phnum_{at}", phone_number=f"+1555{at:07}",
            gone_at=gone, listed_at=listed, gave_up_at=gave_up, agent=agent, bound_to=bound,
        )  # fmt: skip
        if operation:
            Operation.objects.create(key=f"k{at}", resource=f"number:phnum_{at}", state=operation)


def test_each_state_is_filtered_as_it_is_shown(every_kind):
    shown = dict(PhoneNumber.objects.with_state().values_list("pk", "state_now"))
    assert set(shown.values()) == set(State.values)
    for state in State:
        found = filters.in_state(PhoneNumber.objects.with_state(), state).values_list("pk", flat=True)
        assert set(found) == {pk for pk, one in shown.items() if one == state}, state
    counted = PhoneNumber.objects.count_by_state()
    assert counted == {state: list(shown.values()).count(state) for state in State if state != State.GONE}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by the contents of the tables")
@pytest.mark.parametrize("state", ["", "all", *State])
def test_open_operations_are_looked_up_once_for_all_rows_and_by_an_index(state, every_kind):
    """With 100,000 numbers, a lookup for each row through all past operations took most of a minute for a page."""
    rows = filters.in_state(PhoneNumber.objects.with_state(), state).order_by("phone_number", "pk")[:100]
    plan = rows.explain()
    assert "CORRELATED" not in plan, plan
    assert "operation_in_state" in plan, plan
    assert "SCAN U0" not in plan, plan
