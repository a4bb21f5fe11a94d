"""Users with each role, and a workspace with two agents and two numbers."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import Agent as RemoteAgent
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.elevenlabs import connect
from controlplane.mirror import upsert as mirror_upsert
from controlplane.mirror.models import SyncRun
from controlplane.mirror.runs import host_of
from numbers import mirror as number_mirror
from numbers.models import PhoneNumber
from tests.sandbox_process import Sandbox


@pytest.fixture
def sign_in(db):
    """sign_in("Operators") returns a client signed in as a user with that role; None: staff without permissions."""

    def sign_in(role: str | None) -> Client:
        user = User.objects.create_user(f"{role or 'nobody'}", password="x", is_staff=True)
        if role == "superuser":
            user.is_superuser = True
            user.save()
        elif role:
            user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def operator(sign_in) -> Client:
    return sign_in("Operators")


@dataclass
class Workspace:
    support: Agent
    sales: Agent
    bound: PhoneNumber
    free: PhoneNumber


@pytest.fixture
def workspace(db, remote: Sandbox) -> Workspace:
    """One number assigned to Support Bot and one unassigned, both listed, as after a first sync."""
    support, sales = remote.create_agent("Support Bot"), remote.create_agent("Sales Bot")
    remote.import_number("+15550100001", "Main", agent_id=support)
    remote.import_number("+15550100002", "Spare")
    remote.advance(10)
    store_as_a_first_sync(support, sales)
    return Workspace(
        Agent.objects.get(remote_id=support),
        Agent.objects.get(remote_id=sales),
        PhoneNumber.objects.get(phone_number="+15550100001"),
        PhoneNumber.objects.get(phone_number="+15550100002"),
    )


def store_as_a_first_sync(*agent_ids: str) -> None:
    """Store what a first sync would, but much faster; `test_workspace.py` compares both."""
    client, begun = connect(), timezone.now()
    agents = [client.get_agent(agent_id).raw for agent_id in agent_ids]
    numbers = [RemoteNumber.parse(row) for row in client.list_numbers().rows]
    run = SyncRun.objects.create(
        state=SyncRun.State.COMPLETE,
        started_at=begun,
        ended_at=timezone.now(),
        remote=host_of(client.base_url),
        workspace=client.get_user().workspace_id,
        seen=len(agents) + len(numbers),
        added=len(agents) + len(numbers),
        calls=len(client.calls),
    )
    cause = Cause(Entry.Cause.SYNC, str(run.pk))
    with transaction.atomic():
        changes = []
        for data in agents:
            values = agent_mirror.row_values(RemoteAgent.parse(data)) | {"details_read_at": begun}
            changes.append(mirror_upsert.compare(Agent(remote_id=data["agent_id"]), values, cause=cause))
        mirror_upsert.write(changes)
        changes = []
        for number in numbers:
            row = PhoneNumber(remote_id=number.phone_number_id)
            agent = Agent.objects.filter(remote_id=number.agent_id).first()
            values = number_mirror.row_values(row, number, agent=agent, listed=True)
            changes.append(mirror_upsert.compare(row, values, cause=cause))
        mirror_upsert.write(changes)
