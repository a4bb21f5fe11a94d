"""People of each role, and a workspace with two agents and two numbers."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from agents.models import Agent
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.sandbox_process import Sandbox


@pytest.fixture
def sign_in(db):
    """sign_in("Operators") -> a test client of somebody in that role; None: staff without rights."""

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
    """One number bound to Support Bot, one free, both listed."""
    support, sales = remote.create_agent("Support Bot"), remote.create_agent("Sales Bot")
    remote.import_number("+15550100001", "Main", agent_id=support)
    remote.import_number("+15550100002", "Spare")
    remote.advance(10)
    run = sync_all()
    assert run is not None
    assert run.state == "complete", run.problem
    return Workspace(
        Agent.objects.get(remote_id=support),
        Agent.objects.get(remote_id=sales),
        PhoneNumber.objects.get(phone_number="+15550100001"),
        PhoneNumber.objects.get(phone_number="+15550100002"),
    )
