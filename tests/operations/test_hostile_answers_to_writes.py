"""Answers that no service should give: they never end a write in an exception, and never leave it undecidable."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.models import Agent
from controlplane.operations import journal, settle
from controlplane.operations.kinds import kind_of
from controlplane.operations.models import Operation, State
from numbers import services
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.clock import Clock, recover
from tests.operations.oracle import violations
from tests.operations.writes import WRITES, agent, number

pytestmark = pytest.mark.django_db

DEEP = "[" * 300 + "]" * 300
# JSON texts, because some of this is no JSON that a library writes.
EVERYWHERE = {
    "NUL": '{"label": "a\\u0000b", "name": "a\\u0000b"}',
    "NUL in a key": '{"x": {"a\\u0000b": 1}}',
    "lone surrogate": '{"label": "a\\ud800b", "name": "a\\ud800b"}',
    "NaN": '{"x": NaN}',
    "infinite": '{"x": [-Infinity]}',
    "71 bits": '{"x": 2361183241434822606848}',
    "4000 digits": '{"x": ' + "9" * 4000 + "}",
    "deep": '{"x": ' + DEEP + "}",
    "long name": json.dumps({"label": "x" * 301, "name": "x" * 301}),
    "no name": '{"label": null, "name": null}',
    "wrong type": '{"label": {"a": 1}, "name": ["a"]}',
}
OF_NUMBERS = {
    "agent with NUL": '{"assigned_agent": {"agent_id": "a\\u0000b", "agent_name": "a\\u0000b"}}',
    "agent's name with NUL": '{"assigned_agent": {"agent_id": "agent_x", "agent_name": "a\\u0000b"}}',
    "agent's name half": '{"assigned_agent": {"agent_id": "agent_x", "agent_name": "a\\udfffb"}}',
    "agent id too long": json.dumps({"assigned_agent": {"agent_id": "x" * 100, "agent_name": "x"}}),
    "agent as text": '{"assigned_agent": "agent_x"}',
    "agent as list": '{"assigned_agent": []}',
    "agent id a number": '{"assigned_agent": {"agent_id": 5}}',
    "provider too long": json.dumps({"provider": "x" * 5000}),
    "number too long": json.dumps({"phone_number": "+1" * 5000}),
    "no number": '{"phone_number": null}',
    "another id": '{"phone_number_id": "phnum_other"}',
    "id no id": '{"phone_number_id": "../agents"}',
    "inbound unclear": '{"supports_inbound": "yes"}',
}
OF_AGENTS = {
    "prompt with NUL": '{"conversation_config": {"agent": {"prompt": {"prompt": "a\\u0000b"}}}}',
    "no settings": '{"conversation_config": {}, "platform_settings": {}}',
    "settings null": '{"conversation_config": null, "platform_settings": null}',
    "settings other types": '{"conversation_config": {"agent": "x"}, "platform_settings": {"archived": "x"}}',
    "voice too long": json.dumps({"conversation_config": {"tts": {"voice_id": "x" * 5000}}}),
    "changed in the year 10^15": '{"metadata": {"created_at_unix_secs": 1e300, "updated_at_unix_secs": 9e99}}',
    "another id": '{"agent_id": "agent_other"}',
    "id no id": '{"agent_id": "a?x#y"}',
    "tags no texts": '{"tags": [1, null]}',
}
NUMBER_WRITES = ["import", "assign", "move", "release", "rename", "remove"]
AGENT_WRITES = ["create", "update", "duplicate", "archive", "restore", "delete"]
CASES = [(name, text) for name in NUMBER_WRITES for text in {**EVERYWHERE, **OF_NUMBERS}.items()]
CASES += [(name, text) for name in AGENT_WRITES for text in {**EVERYWHERE, **OF_AGENTS}.items()]
MOMENTS = ["before the check", "in the answer", "in the read-back"]


def objects(clock: Clock, name: str) -> list[str]:
    """The ids of the remote objects that this write is about."""
    if name in NUMBER_WRITES:
        return [row["phone_number_id"] for row in clock.remote.get("/v1/convai/phone-numbers")]
    rows = [clock.remote.get("/v1/convai/agents", archived=archived)["agents"] for archived in ("false", "true")]
    return [row["agent_id"] for some in rows for row in some]


def overlay(clock: Clock, ids: list[str], text: str | None) -> None:
    for object_id in ids:
        clock.remote.call(
            "POST", "/_sandbox/console", json={"action": "overlay", "id": object_id, "set": text}
        ).raise_for_status()


def spoil(clock: Clock, name: str, text: str | None) -> None:
    overlay(clock, objects(clock, name), text)


def healed(clock: Clock, ids: list[str]) -> None:
    """The service shows the truth again, and a change of each agent makes a sync look at it anew."""
    overlay(clock, ids, None)
    clock.passes(2)
    for agent_id in objects(clock, "create"):
        # Not among what a copy is known by, and what a new agent was asked to have anyway.
        clock.remote.console("patch_agent", agent_id=agent_id, patch={"tags": ["new"]})


def real_ids(clock: Clock) -> list[str]:
    """By the ledger, which no overlay touches."""
    there: dict[str, bool] = {}
    for entry in clock.remote.ledger():
        there[entry["object_id"]] = entry["after"] is not None
    return [object_id for object_id, is_there in there.items() if is_there]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("name", "hostile"), CASES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_hostile_values(name, hostile, moment, clock, monkeypatch):
    ask = WRITES[name].set_up(clock)
    if moment == "before the check":
        spoil(clock, name, hostile[1])
    elif moment == "in the answer":
        spoil_after(clock, name, hostile[1], monkeypatch)
    else:
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")

    op = ask("key")

    if moment == "in the read-back":
        assert op.state == State.SENT
        spoil(clock, name, hostile[1])
    clock.passes(120)
    settle.settle_due()
    run = sync_all()
    assert run is not None
    assert run.gone == 0 or name in ("delete", "remove")
    op.refresh_from_db()
    assert not op.is_open or op.state == State.SENT
    healed(clock, real_ids(clock))
    recover(clock)
    # A new agent is found again by its name: hidden until the verdict, it is linked to its operation afterwards.
    assert violations(clock.remote, late=name in ("create", "duplicate")) == []
    assert not Agent.objects.filter(remote_id="").exists()
    assert not PhoneNumber.objects.filter(remote_id="").exists()


def spoil_after(clock: Clock, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the write on, what is shown is spoilt: its answer (PATCH), or what is read right after it (POST)."""
    kind = kind_of(WRITES[name].kind)
    if WRITES[name].method == "POST":
        send = kind.send

        def send_and_spoil(*args: Any) -> Any:
            reply = send(*args)
            overlay(clock, [reply.object_id], text)
            return reply

        monkeypatch.setattr(kind, "send", send_and_spoil, raising=False)
    else:
        mark_sent = journal.mark_sent

        def mark_and_spoil(op: Operation, before: dict[str, Any]) -> None:
            mark_sent(op, before)
            spoil(clock, name, text)

        monkeypatch.setattr(journal, "mark_sent", mark_and_spoil)


BODIES: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "empty object": b"{}",
    "text": b'"ok"',
    "number": b"NaN",
    "5000 digits": b"9" * 5000,
    "deep": DEEP.encode(),
    "no JSON": b"\x00\xff\xfe",
    "an error with 200": b'{"detail": {"status": "error", "message": "no\\u0000"}}',
    "ids that are none": b'{"agent_id": "../x", "phone_number_id": ["x"]}',
    "ids as numbers": b'{"agent_id": 5, "phone_number_id": null}',
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", WRITES)
def test_wrong_shapes(name, body, clock):
    """The answer to the write, the read-back and the reads before a second write: each is once of a wrong shape."""
    ask = WRITES[name].set_up(clock)
    clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=200, raw=BODIES[body], when="after")
    op = ask("key")
    is_json = body not in ("no JSON", "deep")
    tolerant = WRITES[name].method == "DELETE" and (is_json or body == "deep")
    assert op.state in (State.SENT, State.DONE) if tolerant else op.state == State.SENT

    clock.passes(120)
    clock.remote.fault("GET", "/v1/convai/*", "status", status=200, raw=BODIES[body], times=100)
    settle.settle_due()
    op.refresh_from_db()
    assert op.state == State.SENT or tolerant
    clock.remote.clear_faults()
    recover(clock)
    assert violations(clock.remote) == []

    clock.remote.fault("GET", "/v1/convai/*", "status", status=200, raw=BODIES[body])
    again = ask("again")
    assert (again.state, again.sent_at) == (State.NOT_SENT, None)
    assert violations(clock.remote) == []


def test_an_answer_about_another_number_changes_neither_row(clock):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line, other = number(clock, old), number(clock, old, "+15550100124")
    body = {"phone_number_id": other.remote_id, "phone_number": other.phone_number, "label": "Other"}
    clock.remote.fault("PATCH", "/v1/convai/*", "edit", when="after", body=body)
    op = services.assign(line, to, shown=old.remote_id, key="key", actor=None)

    assert op.state == State.SENT
    other.refresh_from_db()
    assert (other.label, other.agent) == ("Main", old)
    recover(clock)
    op.refresh_from_db()
    assert op.state == State.DONE
    assert violations(clock.remote) == []


def test_one_operation_that_cannot_be_decided_does_not_hold_up_the_others(clock, monkeypatch):
    asks: list[Callable[[str], Operation]] = [WRITES["rename"].set_up(clock), WRITES["update"].set_up(clock)]
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="after", times=2)
    rename, update = asks[0]("rename"), asks[1]("update")

    def broken(*args: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(kind_of("number.rename"), "judge", broken, raising=False)
    clock.passes(120)
    settle.settle_due()
    for op in (rename, update):
        op.refresh_from_db()
    assert (rename.state, update.state) == (State.SENT, State.DONE)
    monkeypatch.undo()
    recover(clock)
    assert violations(clock.remote) == []
