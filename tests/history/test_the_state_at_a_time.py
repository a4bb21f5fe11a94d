"""Which number was assigned to which agent at a given time, derived from the entries alone."""

from datetime import datetime

import pytest
from django.utils import timezone

from controlplane.audit.point_in_time import bindings_of, state_at
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import Clock, started
from tests.operations.writes import agent
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db
LINE = "+15550100123"
SHOWN = ["phone_number", "label", "agent_id", "agent_name"]


@pytest.fixture
def clock(remote: Sandbox):
    with started(remote) as traveller:
        yield Clock(remote, traveller)


def later(clock: Clock) -> datetime:
    clock.passes(60)
    moment = timezone.now()
    clock.passes(60)
    return moment


def test_a_number_that_is_moved_changed_outside_and_removed(clock):
    day, night = agent(clock, "Day Desk"), agent(clock, "Night Desk")
    before = later(clock)
    clock.remote.console("add_number", phone_number=LINE, label="Main", agent_id=day.remote_id)
    clock.passes(10)
    sync_all()
    line = PhoneNumber.objects.get()
    moments = [later(clock)]
    services.assign(line, night, shown=day.remote_id, key="a", actor=None)
    moments.append(later(clock))
    clock.remote.console("patch_number", number=line.remote_id, patch={"label": "Console"})
    sync_all()
    moments.append(later(clock))
    line.refresh_from_db()
    services.assign(line, None, shown=night.remote_id, key="b", actor=None)
    moments.append(later(clock))
    line.refresh_from_db()
    services.remove(line, shown="", key="c", actor=None)
    moments.append(later(clock))

    assert state_at("number", before, SHOWN) == {}
    known = [state_at("number", moment, SHOWN)[line.remote_id] for moment in moments]
    assert [one.settings["agent_id"] for one in known[:4]] == [day.remote_id, night.remote_id, night.remote_id, None]
    assert [one.settings["label"] for one in known[:3]] == ["Main", "Main", "Console"]
    assert [one.is_gone for one in known] == [False] * 4 + [True]
    assert state_at("agent", before, ["name"]).keys() == {day.remote_id, night.remote_id}

    first, second, unassigned, gone = bindings_of(line.remote_id)
    assert [(one.agent_id, one.is_gone) for one in (unassigned, gone)] == [("", False), ("", True)]
    assert (first.cause, second.cause, second.actor_name) == ("sync", "operation", "system")
    assert (first.agent_id, second.agent_id) == (day.remote_id, night.remote_id)
    assert first.begins < moments[0] < first.ends == second.begins < moments[1]
    assert moments[2] < second.ends < moments[3]


def test_a_current_binding_has_no_end(clock):
    day = agent(clock, "Day Desk")
    clock.remote.console("add_number", phone_number=LINE, agent_id=day.remote_id)
    clock.passes(10)
    sync_all()
    (span,) = bindings_of(PhoneNumber.objects.get().remote_id)
    assert (span.agent_id, span.ends) == (day.remote_id, None)
    assert span.agent_name.startswith("Day Desk")
