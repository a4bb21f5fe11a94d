"""Users with roles, agents at the sandbox and in the mirror, and forms as a browser sends them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from agents import mirror
from agents.catalogue import cache
from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import connect
from tests.sandbox_process import Sandbox

SYNC = Cause(Entry.Cause.SYNC, "test")


@pytest.fixture(autouse=True)
def _forget_voices_and_llms() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def person(name: str, role: str | None = None, **more: Any) -> User:
    user = User.objects.create_user(name, password="pw", is_staff=True, **more)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def operator(db: None) -> Client:
    return signed_in(person("olga", "Operators"))


@pytest.fixture
def viewer(db: None) -> Client:
    return signed_in(person("victor", "Auditors"))


def mirrored(remote: Sandbox, name: str = "Support Bot", **config: Any) -> Agent:
    """An agent of the remote, stored like a sync would store it."""
    return stored(remote.create_agent(name, **config))


def stored(remote_id: str) -> Agent:
    mirror.upsert_row(connect().get_agent(remote_id), SYNC)
    return Agent.objects.get(remote_id=remote_id)


def at_remote(remote: Sandbox, agent: Agent) -> dict[str, Any]:
    return remote.get(f"/v1/convai/agents/{agent.remote_id}")


def url_of(page: str, agent: Agent | None = None) -> str:
    return reverse(f"admin:agents_agent_{page}", args=[agent.pk] if agent else [])


def opened(client: Client, url: str) -> dict[str, Any]:
    """The form of a page as a browser would send it back untouched: line ends become CRLF."""
    form = client.get(url).context["form"]
    values = {field.html_name: field.value() for field in form}
    as_text = {name: "" if value is None else str(value) for name, value in values.items()}
    return {name: text.replace("\r\n", "\n").replace("\n", "\r\n") for name, text in as_text.items()}


@pytest.fixture
def save(operator: Client) -> Callable[..., Any]:
    """Open an agent's page, change some fields, save."""

    def save(agent: Agent, **changes: Any) -> Any:
        url = url_of("change", agent)
        return operator.post(url, opened(operator, url) | changes)

    return save


def texts(response: Any) -> list[str]:
    """The messages shown after a redirect was followed."""
    return [str(message) for message in response.context["messages"]]


def patches(remote: Sandbox) -> list[dict[str, Any]]:
    return remote.calls(method="PATCH", path="/v1/convai/agents/*")
