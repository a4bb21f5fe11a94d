"""Many rows with large JSON are written as values, not as an array that has to be escaped in Python."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent

pytestmark = pytest.mark.django_db


def test_a_bulk_insert_makes_no_array_of_it():
    data = {"prompt": 'say "hello" \\ twice', "rate": 0.5, "none": None}
    with CaptureQueriesContext(
        connection,
    ) as asked:
        Agent.objects.bulk_create(Agent(remote_id=f"agent_{at}", remote_data=data | {"at": at}) for at in range(3))
    [insert] = [one["sql"] for one in asked if one["sql"].startswith("INSERT")]
    assert "UNNEST" not in insert
    assert [agent.remote_data for agent in Agent.objects.order_by("pk")] == [data | {"at": at} for at in range(3)]
    Agent.objects.filter(remote_data__prompt=data["prompt"]).update(remote_data={"gone": True})
    assert {str(agent.remote_data) for agent in Agent.objects.all()} == {"{'gone': True}"}
