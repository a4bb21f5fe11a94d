"""The answer to a creation is lost and a similar object exists. It counts as done only if the object is certainly the
requested one."""

import pytest

from agents.models import Agent
from controlplane.operations.actions import action_class
from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from tests import number_writes as numbers
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, WRITES, agent

pytestmark = pytest.mark.django_db


def lost(clock: Clock, name: str, when: str) -> Operation:
    ask = WRITES[name].set_up(clock)
    clock.remote.fault("POST", "/v1/convai/*", "status", status=500, when=when)
    op = ask("key")
    assert op.state == State.SENT
    return op


def decided(clock: Clock, op: Operation) -> Operation:
    recover(clock)
    assert violations(clock.remote) == []
    op.refresh_from_db()
    return op


def added(clock: Clock, **values) -> None:
    clock.remote.console("add_number", phone_number=NEW_LINE, **values)


def import_label_only(clock: Clock, key: str = "key") -> Operation:
    return numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, key=key, actor=None)


# --- imports ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("differs", ["label", "agent"])
def test_a_different_number_in_its_place_is_not_ours(differs, clock):
    op = lost(clock, "import", "before")
    ours = Agent.objects.get().remote_id
    other = clock.remote.console("create_agent", name="Console Bot")["agent_id"]
    values = {"label": "New", "agent_id": ours, **({"label": "Theirs"} if differs == "label" else {"agent_id": other})}
    added(clock, **values)
    op = decided(clock, op)
    assert op.state == State.OVERTAKEN
    assert ("“Theirs”" if differs == "label" else "Console Bot") in op.message
    assert PhoneNumber.objects.get().label == values["label"]


def test_a_number_as_requested_is_ours_and_the_message_explains_why(clock):
    op = decided(clock, lost(clock, "import", "after"))
    assert op.state == State.DONE
    assert "The answer was lost" in op.message
    assert "Assigned to Support Bot" in op.message
    assert "can be assigned" not in op.message


@pytest.mark.parametrize("field", ["label", "agent"])
def test_what_an_answered_import_did_not_keep_is_named(field, clock, monkeypatch):
    to = agent(clock)
    kind = action_class("number.import")
    send = kind.send

    def send_and_change(*args):
        reply = send(*args)
        shown = {"label": "Other"} if field == "label" else {"assigned_agent": None}
        clock.remote.console("overlay", id=reply.object_id, set=shown)
        return reply

    monkeypatch.setattr(kind, "send", send_and_change, raising=False)
    op = numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=to, key="key", actor=None)
    assert (op.state, op.not_kept) == (State.DONE, [field])
    assert op.message.endswith(f"ElevenLabs did not keep: {field}.")
    assert ("Assigned to" in op.message) == (field == "label")


def test_the_message_of_an_import(clock):
    to = agent(clock)
    op = numbers.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=to, key="key", actor=None)
    assert f"Assigned to {to} when it was imported." in op.message
    assert "can be assigned" not in op.message
    assert "The answer was lost" not in op.message


def test_a_number_that_another_workspace_holds(clock):
    op = numbers.import_number("+15005550009", label="New", credentials=CREDENTIALS, key="key", actor=None)
    assert (op.state, op.http_status) == (State.SENT, 409)
    op = decided(clock, op)
    assert op.state == State.NOT_APPLIED
    assert op.message == (
        "ElevenLabs reports that this number exists, but this workspace does not list it: another workspace may hold "
        "it. Nothing was stored."
    )


def test_a_number_added_later_by_others_is_not_a_late_effect(clock):
    op = lost(clock, "import", "before")
    op = decided(clock, op)
    assert op.state == State.NOT_APPLIED
    added(clock, label="Theirs", agent_id=None)
    recover(clock)
    op.refresh_from_db()
    assert op.late_at is None


# --- copies -----------------------------------------------------------------------------------------------------------
def test_a_new_agent_of_the_same_name_is_not_the_copy(clock):
    op = lost(clock, "duplicate", "before")
    theirs = clock.remote.console("create_agent", name="Support Bot 2")["agent_id"]
    prompt = {"agent": {"prompt": {"prompt": "Written in the console."}}}
    clock.remote.console("patch_agent", agent_id=theirs, patch={"conversation_config": prompt})
    op = decided(clock, op)
    assert op.state == State.OVERTAKEN
    assert theirs in op.message


def test_the_message_of_a_copy_found_later_mentions_the_lost_answer(clock):
    op = decided(clock, lost(clock, "duplicate", "after"))
    assert op.state == State.DONE
    assert "The answer was lost" in op.message


def test_a_copy_that_differs_from_its_source(clock, monkeypatch):
    """If the remote changes something in every copy, an answer identifies the copy and a search by name does not."""
    op = lost(clock, "duplicate", "after")
    copy = next(row for row in clock.remote.get("/v1/convai/agents")["agents"] if row["name"] == "Support Bot 2")
    changed = {"conversation_config": {"agent": {"first_message": "I am a copy."}}}
    clock.remote.console("patch_agent", agent_id=copy["agent_id"], patch=changed)
    op = decided(clock, op)
    assert op.state == State.OVERTAKEN
    assert copy["agent_id"] in op.message

    kind = action_class("agent.duplicate")
    monkeypatch.setattr(kind, "fits", lambda *_: False, raising=False)
    again = WRITES["duplicate"].set_up(clock)("again")
    assert (again.state, again.not_kept) == (State.DONE, [])
    assert "The answer was lost" not in again.message


def test_a_copy_is_known_although_it_was_not_archived_with_its_source(clock):
    source = agent(clock)
    clock.passes(2)
    clock.remote.console("archive_agent", agent_id=source.remote_id)
    from tests import agent_writes as agents

    clock.remote.fault("POST", "/v1/convai/*", "status", status=500, when="after")
    op = agents.duplicate(source, name="Copy", key="key", actor=None)
    copy = next(
        row
        for archived in ("false", "true")
        for row in clock.remote.get("/v1/convai/agents", archived=archived)["agents"]
        if row["name"] == "Copy"
    )
    clock.passes(2)
    clock.remote.console("unarchive_agent", agent_id=copy["agent_id"])
    assert decided(clock, op).state == State.DONE
