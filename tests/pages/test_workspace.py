"""The workspace fixture is stored without a sync, and must equal what a sync would store."""

import json

import pytest
from django.db import transaction

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange, SyncRun
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.pages.conftest import store_as_a_first_sync

pytestmark = pytest.mark.django_db

# Times, and the run's timing; primary keys are assigned by the database.
VARYING = {"id", "at", "cause_id", "first_seen", "listed_at", "details_read_at", "started_at", "ended_at", "agent_id"}
VARYING |= {"claimed_until", "calls", "waited_ms", "phase"}


def rows() -> dict[str, list[str]]:
    """The rows that a sync may write, without the values that differ between any two syncs."""
    found = {"bound": sorted(str(pair) for pair in PhoneNumber.objects.values_list("remote_id", "agent__name"))}
    for model in (SyncRun, Agent, PhoneNumber, Entry, OutsideChange):
        values = model.objects.order_by("pk").values()
        kept = [{name: value for name, value in row.items() if name not in VARYING} for row in values]
        # Agents that were created in the same second are listed in arbitrary order.
        found[model.__name__] = sorted(json.dumps(row, default=str, sort_keys=True) for row in kept)
    return found


def test_it_is_what_a_first_sync_leaves(remote):
    support, sales = remote.create_agent("Support Bot"), remote.create_agent("Sales Bot")
    remote.import_number("+15550100001", "Main", agent_id=support)
    remote.import_number("+15550100002", "Spare")
    remote.advance(10)
    with transaction.atomic():
        store_as_a_first_sync(support, sales)
        stored = rows()
        transaction.set_rollback(True)
    assert not any(rows().values())
    assert sync_all().state == SyncRun.State.COMPLETE
    assert rows() == stored
    counts = {name: len(kept) for name, kept in stored.items()}
    assert counts == {"bound": 2, "SyncRun": 1, "Agent": 2, "PhoneNumber": 2, "Entry": 4, "OutsideChange": 0}


def test_the_next_sync_finds_nothing_new(workspace):
    run = sync_all()
    assert (run.state, run.seen, run.added, run.changed, run.gone) == (SyncRun.State.COMPLETE, 4, 0, 0, 0)
    assert Entry.objects.count() == 4
    assert not OutsideChange.objects.exists()
