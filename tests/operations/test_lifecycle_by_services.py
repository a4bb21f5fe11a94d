"""The whole lifecycle through the services: the remote, the operations and the mirror agree."""

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import SyncRun
from controlplane.operations import change_sets
from controlplane.operations.models import Operation, State
from numbers import import_polling
from numbers.models import PhoneNumber
from numbers.models import State as NumberState
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests import number_writes as services

pytestmark = pytest.mark.django_db(transaction=True)

SID, TOKEN = "AC" + "1" * 32, "0123456789abcdef0123456789abcdef"
BODY = {"conversation_config": {"agent": {"prompt": {"prompt": "You help."}}}}


def make_agent(name: str, key: str) -> Agent:
    op = agents.create(name=name, body=BODY, key=key, actor=None)
    assert op.state == State.DONE, op.message
    return Agent.objects.get(remote_id=op.object_id)


def test_create_import_assign_move_delete_remove(remote):
    support = make_agent("Support Bot", "k1")
    credentials = services.TwilioCredentials(sid=SID, token=TOKEN)
    op = services.import_number("+15550100123", label="Main", credentials=credentials, key="k2", actor=None)
    assert op.state == State.DONE, op.message
    number = PhoneNumber.objects.get(phone_number="+15550100123")
    assert number.state is NumberState.PROPAGATING

    remote.advance(6)
    PhoneNumber.objects.update(poll_at="2020-01-01T00:00:00Z")
    assert import_polling.poll_due() == 1
    number.refresh_from_db()
    assert number.state is NumberState.UNASSIGNED

    op = services.assign(number, support, shown="", key="k3", actor=None)
    assert op.state == State.DONE, op.message
    sales = make_agent("Sales Bot", "k4")
    number.refresh_from_db()
    calls = remote.call_report()["last_id"]
    op = services.assign(number, sales, shown=support.remote_id, key="k5", actor=None)
    assert op.message.startswith("Moved +1 555 010 0123 from Support Bot")
    assert [call["method"] for call in remote.calls(since=calls)] == ["GET", "GET", "PATCH"]
    assert remote.get(f"/v1/convai/phone-numbers/{number.remote_id}")["assigned_agent"]["agent_id"] == sales.remote_id
    number.refresh_from_db()
    assert number.agent == sales

    change_set = services.delete_agent_with_numbers(sales, support, key="k6", actor=None)
    change_sets.run_due()
    change_set.refresh_from_db()
    assert change_set.state == change_set.State.DONE, change_set.problem
    sales.refresh_from_db()
    number.refresh_from_db()
    assert sales.gone_at
    assert number.agent == support

    op = services.remove(number, shown=support.remote_id, key="k7", actor=None)
    assert op.state == State.DONE, op.message
    number.refresh_from_db()
    assert number.state is NumberState.GONE

    run = sync_all()
    assert run is not None
    assert (run.state, run.changed, run.added, run.gone) == (SyncRun.State.COMPLETE, 0, 0, 0), run.problem
    writes = [entry for entry in remote.ledger() if entry.get("by") != "console"]
    assert len(writes) == Operation.objects.filter(state=State.DONE).count()
    assert not Entry.objects.filter(cause=Entry.Cause.SYNC, kind__endswith=".changed").exclude(cause_id="poll").exists()
