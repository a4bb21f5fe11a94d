"""The same action through its page and through the API, on equal objects: the same kind, state and text."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from controlplane.operations.models import Operation
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.agents.conftest import opened
from tests.api.caller import TWILIO, Caller

pytestmark = pytest.mark.django_db
ITS_OWN = re.compile(r"…\w{4}|\+?1 ?\d{3} ?\d{3} ?00\d\d|(phnum|agent)_\w+|New [AB]|[0-9a-f-]{16,}|\d\d:\d\d:\d\d")


@dataclass
class Half:
    """One of the two sets of objects: an agent with a number, a second agent, and an agent without numbers."""

    letter: str
    at: int
    agent: Agent
    other: Agent
    lone: Agent
    number: PhoneNumber


def halves(remote) -> list[Half]:
    made = []
    for at in (1, 2):
        ids = [remote.create_agent(name) for name in ("Support Bot", "Sales Bot", "Lone Bot")]
        made.append((ids, remote.import_number(f"+1555010000{at}", "Main", agent_id=ids[0])))
    remote.advance(10)
    sync_all()
    return [
        Half(
            "AB"[at],
            at + 1,
            *(Agent.objects.get(remote_id=one) for one in ids),
            PhoneNumber.objects.get(remote_id=number),
        )
        for at, (ids, number) in enumerate(made)
    ]


NUMBER, AGENT = "/admin/numbers/phonenumber", "/admin/agents/agent"
Page = Callable[[Half], tuple[str, dict[str, Any]]]
Api = Callable[[Half], tuple[str, str, Any]]
ACTIONS: dict[str, tuple[Page, Api, str]] = {
    "create": (
        lambda one: (f"{AGENT}/add/", {"name": f"New {one.letter}"}),
        lambda one: ("POST", "/agents", {"name": f"New {one.letter}"}),
        "/v1/convai/agents/create",
    ),
    "change": (
        lambda one: (f"{AGENT}/{one.agent.pk}/change/", {"first_message": "Good evening", "speed": "1.1"}),
        lambda one: ("PATCH", f"/agents/{one.agent.remote_id}", {"first_message": "Good evening", "speed": 1.1}),
        "/v1/convai/agents/*",
    ),
    "delete": (
        lambda one: (f"{NUMBER}/delete-agent/{one.lone.pk}/", {}),
        lambda one: ("DELETE", f"/agents/{one.lone.remote_id}", None),
        "/v1/convai/agents/*",
    ),
    "import": (
        lambda one: (f"{NUMBER}/add/", {"phone_number": f"+1415555009{one.at}", "label": "x", **TWILIO}),
        lambda one: ("POST", "/numbers/import", {"phone_number": f"+1415555009{one.at}", "label": "x", **TWILIO}),
        "/v1/convai/phone-numbers",
    ),
    "move": (
        lambda one: (f"{NUMBER}/{one.number.pk}/assign/", {"agent": str(one.other.pk), "q": ""}),
        lambda one: ("PATCH", f"/numbers/{one.number.remote_id}/assign", {"agent_id": one.other.remote_id}),
        "/v1/convai/phone-numbers/*",
    ),
    "release": (
        lambda one: (f"{NUMBER}/{one.number.pk}/release/", {}),
        lambda one: ("PATCH", f"/numbers/{one.number.remote_id}/assign", {"agent_id": None}),
        "/v1/convai/phone-numbers/*",
    ),
    "remove": (
        lambda one: (f"{NUMBER}/{one.number.pk}/remove/", {}),
        lambda one: ("DELETE", f"/numbers/{one.number.remote_id}", None),
        "/v1/convai/phone-numbers/*",
    ),
}
FAULTS: dict[str, dict[str, Any]] = {
    "no": {"status": 422},
    "wrong key": {"status": 401},
    "late": {"status": 500, "when": "after"},
    "never": {"status": 503, "when": "before"},
}
STATUS = {"done": (200, 201), "sent": (202,), "refused": (422, 502), "not_sent": (409, 503)}


# The gate runs each action once successfully, and each failure for one or two actions: for every action, page and API
# use the same services. All 42 are slow.
FAILING = {
    *(("change", "stale"), ("move", "stale")),
    *(("create", "no"), ("import", "wrong key"), ("move", "late"), ("remove", "never"), ("delete", "late")),
}
CASES = [
    pytest.param(name, fault, marks=[] if fault is None or (name, fault) in FAILING else pytest.mark.slow)
    for name in ACTIONS
    for fault in (None, "stale", *FAULTS)
]


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_an_action_has_the_same_result_both_ways(name, fault, remote, operator: Client, call: Caller):
    page, api, there = ACTIONS[name]
    one, two = halves(remote)
    url, values = page(one)
    form = opened(operator, url)
    if fault == "stale":
        for each in (one, two):
            remote.console("assign", number=each.number.remote_id, agent_id=each.other.remote_id)
            remote.console(
                "patch_agent",
                agent_id=each.agent.remote_id,
                patch={"conversation_config": {"agent": {"first_message": "Theirs"}}},
            )
            remote.console("assign", number=each.number.remote_id, agent_id=each.lone.remote_id)
    method, path, body = api(two)
    if fault in FAULTS:
        remote.fault(method, there, "status", **FAULTS[fault])
    operator.post(url, form | values)
    if fault in FAULTS:
        remote.fault(method, there, "status", **FAULTS[fault])

    answer = call(method, path, body)

    by_page, by_api = Operation.objects.order_by("pk")
    assert comparable(by_page) == comparable(by_api)
    assert answer.status_code in STATUS[by_api.state], answer.content
    assert {by_page.actor_name, by_api.actor_name} == {"Operators", "olga"}


def comparable(op: Operation) -> dict[str, str]:
    texts = {
        "title": op.title,
        "message": op.message,
        "known_by": op.evidence,
        "wanted": json.dumps(op.params, sort_keys=True),
        "seen": json.dumps(op.observed, sort_keys=True),
    }
    plain = {name: ITS_OWN.sub("~", text) for name, text in texts.items()}
    return plain | {"kind": op.kind, "state": op.state, "status": str(op.http_status)}
