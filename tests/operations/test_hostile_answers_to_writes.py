"""Answers that no service should give: they never end a write in an exception, and never leave it undecidable."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from agents.models import Agent
from controlplane.operations import execute, settle
from controlplane.operations.actions import action_class
from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.hostile_texts import ANOTHER_ID, ANYWHERE, BODIES, FIRST, HIDDEN, UNSTORABLE, texts_of
from tests.operations.writes import ONE_OF_EACH_METHOD, ONE_OF_EACH_VERB, WRITES, agent, number

pytestmark = pytest.mark.django_db

NUMBER_WRITES = ["import", "assign", "move", "release", "rename", "remove"]
AGENT_WRITES = ["create", "update", "duplicate", "archive", "restore", "delete"]
BEFORE, ANSWER, READ_BACK = MOMENTS = ["before the check", "in the answer", "in the read-back"]
# Each text by itself is tried where it is read and kept: test_what_cannot_be_read_or_kept.py.
PRODUCT = [
    (name, text, moment)
    for name in [*NUMBER_WRITES, *AGENT_WRITES]
    for text in texts_of("number" if name in NUMBER_WRITES else "agent")
    for moment in MOMENTS
]


def is_in_the_gate(name: str, text: str, moment: str) -> bool:
    """One text of each class, where it comes to something else than the text of another class."""
    what, method = "number" if name in NUMBER_WRITES else "agent", WRITES[name].method
    if name not in ONE_OF_EACH_VERB:
        return moment == READ_BACK and text == in_turn(name)
    if method == "DELETE" and moment == ANSWER:  # there is nothing in it that anybody reads
        return text == FIRST[what][UNSTORABLE]
    if text == ANOTHER_ID and method != "POST":  # to a read by its id it is a wrong shape, to a listing a new object
        return moment == READ_BACK
    if text == HIDDEN[what] and method == "POST":
        return moment == READ_BACK
    if moment != READ_BACK and text in FIRST[what].values():  # each class at some writes, each write with some class
        return text == in_turn(name)
    return text == ANOTHER_ID or text in FIRST[what].values()


def in_turn(name: str) -> str:
    """One class for each write, so that each class has its writes."""
    first = FIRST["number" if name in NUMBER_WRITES else "agent"]
    classes = sorted(first)
    return first[classes[list(WRITES).index(name) % len(classes)]]


GATE = [case for case in PRODUCT if is_in_the_gate(*case)]


def test_no_case_is_missing():
    texts = {what: texts_of(what) for what in ("agent", "number")}
    assert len(PRODUCT) == len(set(PRODUCT)) == 6 * 3 * (len(texts["agent"]) + len(texts["number"])) == 792
    assert len(GATE) == 48
    classes = {(name, texts["number" if name in NUMBER_WRITES else "agent"][text][0], at) for name, text, at in GATE}
    assert {(of, at) for _, of, at in classes} == {*product(ANYWHERE, MOMENTS)}
    assert {(name, of) for name, of, at in classes if at == READ_BACK} >= {*product(ONE_OF_EACH_VERB, ANYWHERE)}
    assert {name for name, _, at in classes if at == READ_BACK} == {*WRITES}
    assert {(name, at) for name, _, at in classes} >= {*product(ONE_OF_EACH_VERB, MOMENTS)}


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


@pytest.mark.parametrize(("name", "text", "moment"), cases(PRODUCT, GATE))
def test_hostile_values(name, text, moment, clock, monkeypatch):
    _, hostile = texts_of("number" if name in NUMBER_WRITES else "agent")[text]
    ask = WRITES[name].set_up(clock)
    if moment == BEFORE:
        spoil(clock, name, hostile)
    elif moment == ANSWER:
        spoil_after(clock, name, hostile, monkeypatch)
    else:
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")

    op = ask("key")

    if moment == READ_BACK:
        assert op.state == State.SENT
        spoil(clock, name, hostile)
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
    kind = action_class(WRITES[name].kind)
    if WRITES[name].method == "POST":
        send = kind.send

        def send_and_spoil(*args: Any) -> Any:
            reply = send(*args)
            overlay(clock, [reply.object_id], text)
            return reply

        monkeypatch.setattr(kind, "send", send_and_spoil, raising=False)
    else:
        mark_sent = execute.mark_sent

        def mark_and_spoil(op: Operation, *rest: Any) -> None:
            mark_sent(op, *rest)
            spoil(clock, name, text)

        monkeypatch.setattr(execute, "mark_sent", mark_and_spoil)


SHAPES = [(name, body) for name in WRITES for body in BODIES]
# No JSON; JSON that may pass for an empty list; an object with ids.
ONE_OF_EACH_CLASS = [
    "no JSON",
    "list",
    "ids that are none",
]  # no JSON; what may pass for an empty list; an object with ids
SHAPES_OF_THE_GATE = [
    (name, body)
    for place, name in enumerate(WRITES)
    for body in ONE_OF_EACH_CLASS
    if name in ONE_OF_EACH_METHOD or body == ONE_OF_EACH_CLASS[place % 3]
]


@pytest.mark.parametrize(("name", "body"), cases(SHAPES, SHAPES_OF_THE_GATE))
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

    monkeypatch.setattr(action_class("number.rename"), "reconcile", broken, raising=False)
    clock.passes(120)
    settle.settle_due()
    for op in (rename, update):
        op.refresh_from_db()
    assert (rename.state, update.state) == (State.SENT, State.DONE)
    monkeypatch.undo()
    recover(clock)
    assert violations(clock.remote) == []
