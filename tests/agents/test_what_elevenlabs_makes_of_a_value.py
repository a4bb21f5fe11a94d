"""Values that ElevenLabs completes, rewrites, does not know or does not change are recognized as such: nobody else is
blamed for them, and the agent is not locked."""

from typing import Any

import pytest

from agents.comparison import Found, compare, includes, shown
from agents.models import Agent
from controlplane.mirror.json_paths import get
from controlplane.operations.models import Operation, State
from controlplane.operations.settle import settle_due
from tests import agent_writes as agents
from tests.agents.conftest import at_remote, mirrored
from tests.operations.clock import Clock, started

pytestmark = pytest.mark.django_db

DOCUMENTS = "conversation_config.agent.prompt.knowledge_base"
STABILITY = "conversation_config.tts.stability"
FIRST_MESSAGE = "conversation_config.agent.first_message"
UNKNOWN = "conversation_config.tts.voiceId"
DOCUMENT = {"type": "file", "name": "N", "id": "k"}
PATCH = ("PATCH", "/v1/convai/agents/*")


@pytest.fixture
def clock(remote):
    with started(remote) as traveller:
        yield Clock(remote, traveller)


def save(agent: Agent, values: dict[str, Any], key: str = "key") -> Operation:
    agent.refresh_from_db()
    shown_values = {path: get(agent.remote_data, path) for path in values}
    return agents.update(agent, values=values, shown=shown_values, key=key, actor=None)


def test_defaults_within_an_element_of_a_list_are_the_services_own(clock):
    agent = mirrored(clock.remote)
    op = save(agent, {DOCUMENTS: [DOCUMENT]})
    assert (op.state, op.not_kept) == (State.DONE, [])
    assert at_remote(clock.remote, agent)["conversation_config"]["agent"]["prompt"]["knowledge_base"] == [
        DOCUMENT | {"usage_mode": "auto"}
    ]
    again = save(agent, {DOCUMENTS: [DOCUMENT]}, "again")
    assert (again.state, again.sent_at) == (State.DONE, None), "it is there already"


def test_so_are_those_of_a_new_agent_also_if_its_answer_is_lost(clock):
    body = {"conversation_config": {"agent": {"prompt": {"knowledge_base": [DOCUMENT]}}}}
    op = agents.create(name="First", body=body, key="first", actor=None)
    assert (op.state, op.not_kept) == (State.DONE, [])
    clock.remote.fault("POST", "/v1/convai/agents/create", "reset", when="after")
    lost = agents.create(name="Second", body=body, key="second", actor=None)
    assert lost.state == State.SENT
    clock.passes(3)
    settle_due()
    lost.refresh_from_db()
    assert (lost.state, lost.object_id != "") == (State.DONE, True)


@pytest.mark.parametrize(("requested", "kept"), [(0.73, 0.7), (0.9, 0.8)])
def test_a_value_that_the_reply_shows_in_another_form_was_rewritten(requested, kept, clock):
    agent = mirrored(clock.remote)
    config = at_remote(clock.remote, agent)["conversation_config"]
    config["tts"]["stability"] = kept
    clock.remote.fault(*PATCH, "edit", when="after", body={"conversation_config": config})
    op = save(agent, {STABILITY: requested})
    assert (op.state, op.not_kept) == (State.DONE, [])
    assert op.message == f"Saved {agent}: stability. ElevenLabs kept {kept} instead of {requested} (stability)."


def test_a_setting_that_the_service_does_not_know_is_named_at_once(clock):
    agent = mirrored(clock.remote)
    for key in ("first", "second"):
        op = save(agent, {UNKNOWN: "x"}, key)
        assert op.state == State.NOT_APPLIED
        assert op.message == f"ElevenLabs does not know “{UNKNOWN}”; it was not stored."
    op = save(agent, {UNKNOWN: "x", STABILITY: 0.4}, "third")
    assert op.state == State.DONE
    assert op.message == f"Saved {agent}: stability. ElevenLabs does not know “{UNKNOWN}”; it was not stored."


def test_a_value_that_the_service_leaves_as_it_was_is_not_called_safe_to_save_again(clock):
    agent = mirrored(clock.remote)
    before = at_remote(clock.remote, agent)["conversation_config"]["tts"]["stability"]
    overlay = {"conversation_config": {"tts": {"stability": before}}}
    clock.remote.console("overlay", id=agent.remote_id, set=overlay)
    op = save(agent, {STABILITY: 0.31})
    assert op.state == State.SENT, "it may still take effect"
    clock.passes(120)
    settle_due()
    op.refresh_from_db()
    assert op.state == State.NOT_APPLIED
    assert op.message.startswith("ElevenLabs accepted the request, but left these as they were: stability.")


@pytest.mark.parametrize(
    ("now", "requested", "is_reply", "found"),
    [
        ("Hello", " Hello\n", False, Found.REWRITTEN),
        ("EN", "en", False, Found.REWRITTEN),
        (0.67, 0.6667, False, Found.REWRITTEN),
        (["b", "a"], ["a", "b"], False, Found.REWRITTEN),
        (2, 3, True, Found.REWRITTEN),
        (2, 3, False, Found.OTHER),
        (True, 1, False, Found.OTHER),
        ("Bonjour", "Hello", False, Found.OTHER),
        ([{"id": "k", "mode": "auto"}], [{"id": "k"}], False, Found.KEPT),
        ([{"id": "k"}, {"id": "l"}], [{"id": "k"}], False, Found.OTHER),
        ("before", "new", True, Found.BEFORE),
    ],
)
def test_the_classes_of_what_is_found(now, requested, is_reply, found):
    agent = {"conversation_config": {"agent": {"first_message": now}}}
    assert compare(agent, FIRST_MESSAGE, requested, "before", is_reply=is_reply) == found


def test_what_is_not_there_is_included_in_nothing():
    assert not includes(None, {})
    assert not includes({}, {"a": None})
    assert includes({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}})
    assert not includes({"a": 1}, {"a": True})


def test_values_are_shown_as_json_and_short():
    assert (shown(None), shown(False), shown({"a": 1}), shown("x")) == ("nothing", "false", '{"a": 1}', "“x”")
    assert len(shown("x" * 500)) == 60


def test_an_agent_whose_settings_do_not_say_so_is_not_archived(clock):
    agent = mirrored(clock.remote)
    config = at_remote(clock.remote, agent)["platform_settings"]
    del config["archived"]
    clock.remote.fault("GET", f"/v1/convai/agents/{agent.remote_id}", "edit", body={"platform_settings": config})
    assert agents.archive(agent, archived=True, key="key", actor=None).state == State.DONE
    assert at_remote(clock.remote, agent)["platform_settings"]["archived"] is True


@pytest.mark.parametrize(("archived", "config"), [(True, {}), (False, {"archived": "x"})])
def test_what_cannot_be_read_is_neither_archived_nor_restored(clock, archived, config):
    agent = mirrored(clock.remote)
    path = f"/v1/convai/agents/{agent.remote_id}"
    clock.remote.fault("GET", path, "edit", body={"platform_settings": config})
    assert agents.archive(agent, archived=archived, key="key", actor=None).state == State.NOT_SENT
    assert clock.remote.calls(method="PATCH", path=path) == []


@pytest.mark.parametrize(("when", "state"), [("after", State.DONE), ("before", State.NOT_APPLIED)])
def test_archiving_that_the_reply_does_not_show_is_unconfirmed(clock, when, state):
    """`when` the fault occurs: after or before the effect of the request."""
    agent = mirrored(clock.remote)
    config = at_remote(clock.remote, agent)["platform_settings"]
    del config["archived"]
    clock.remote.fault("GET", f"/v1/convai/agents/{agent.remote_id}", "edit", body={"platform_settings": config})
    clock.remote.fault(*PATCH, "edit", when=when, body={"platform_settings": config})
    op = agents.archive(agent, archived=True, key="key", actor=None)
    assert op.state == State.SENT
    clock.passes(120)
    settle_due()
    op.refresh_from_db()
    assert op.state == state
