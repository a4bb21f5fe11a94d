"""Invalid answers of the service never end a write with an exception, and every write still gets a verdict."""

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
# test_what_cannot_be_read_or_kept.py tests each text on its own, where it is parsed and stored.
PRODUCT = [
    (name, text, moment)
    for name in [*NUMBER_WRITES, *AGENT_WRITES]
    for text in texts_of("number" if name in NUMBER_WRITES else "agent")
    for moment in MOMENTS
]


def is_in_the_gate(name: str, text: str, moment: str) -> bool:
    """One text of each class, wherever the classes are handled differently."""
    what, method = "number" if name in NUMBER_WRITES else "agent", WRITES[name].method
    if name not in ONE_OF_EACH_VERB:
        return moment == READ_BACK and text == in_turn(name)
    if method == "DELETE" and moment == ANSWER:  # nothing in it is used
        return text == FIRST[what][UNSTORABLE]
    if text == ANOTHER_ID and method != "POST":  # a read by id rejects it, a listing shows a new object
        return moment == READ_BACK
    if text == HIDDEN[what] and method == "POST":
        return moment == READ_BACK
    if moment != READ_BACK and text in FIRST[what].values():  # each class with some writes, each write with one class
        return text == in_turn(name)
    return text == ANOTHER_ID or text in FIRST[what].values()


def in_turn(name: str) -> str:
    """The class of text for this write, chosen so that each class is used."""
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
    """The ids of the remote objects of this kind of write."""
    if name in NUMBER_WRITES:
        return [row["phone_number_id"] for row in clock.remote.get("/v1/convai/phone-numbers")]
    rows = [clock.remote.get("/v1/convai/agents", archived=archived)["agents"] for archived in ("false", "true")]
    return [row["agent_id"] for some in rows for row in some]


def overlay(clock: Clock, ids: list[str], text: str | None) -> None:
    for object_id in ids:
        clock.remote.call(
            "POST", "/_sandbox/console", json={"action": "overlay", "id": object_id, "set": text}
        ).raise_for_status()


def corrupt(clock: Clock, name: str, text: str | None) -> None:
    overlay(clock, objects(clock, name), text)


def restore_answers(clock: Clock, ids: list[str]) -> None:
    """The service answers correctly again, and a change of each agent makes the sync read its details again."""
    overlay(clock, ids, None)
    clock.passes(2)
    for agent_id in objects(clock, "create"):
        # Copies are not recognized by their tags, and a new agent was requested with these.
        clock.remote.console("patch_agent", agent_id=agent_id, patch={"tags": ["new"]})


def real_ids(clock: Clock) -> list[str]:
    """The ids in the ledger, which overlays do not change."""
    exists: dict[str, bool] = {}
    for entry in clock.remote.ledger():
        exists[entry["object_id"]] = entry["after"] is not None
    return [object_id for object_id, still_exists in exists.items() if still_exists]


@pytest.mark.parametrize(("name", "text", "moment"), cases(PRODUCT, GATE))
def test_hostile_values(name, text, moment, clock, monkeypatch):
    _, hostile = texts_of("number" if name in NUMBER_WRITES else "agent")[text]
    ask = WRITES[name].set_up(clock)
    if moment == BEFORE:
        corrupt(clock, name, hostile)
    elif moment == ANSWER:
        corrupt_after_write(clock, name, hostile, monkeypatch)
    else:
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")

    op = ask("key")

    if moment == READ_BACK:
        assert op.state == State.SENT
        corrupt(clock, name, hostile)
    clock.passes(120)
    settle.settle_due()
    run = sync_all()
    assert run is not None
    assert run.gone == 0 or name in ("delete", "remove")
    op.refresh_from_db()
    assert not op.is_open or op.state == State.SENT
    restore_answers(clock, real_ids(clock))
    recover(clock)
    # A new agent is found by its name. If that was hidden until the verdict, it is linked to its operation later.
    assert violations(clock.remote, late=name in ("create", "duplicate")) == []
    assert not Agent.objects.filter(remote_id="").exists()
    assert not PhoneNumber.objects.filter(remote_id="").exists()


def corrupt_after_write(clock: Clock, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrupt the answer to the write (PATCH), or the read that follows it (POST)."""
    kind = action_class(WRITES[name].kind)
    if WRITES[name].method == "POST":
        send = kind.send

        def send_and_corrupt(*args: Any) -> Any:
            reply = send(*args)
            overlay(clock, [reply.object_id], text)
            return reply

        monkeypatch.setattr(kind, "send", send_and_corrupt, raising=False)
    else:
        mark_sent = execute.mark_sent

        def mark_and_corrupt(op: Operation, *rest: Any) -> None:
            mark_sent(op, *rest)
            corrupt(clock, name, text)

        monkeypatch.setattr(execute, "mark_sent", mark_and_corrupt)


SHAPES = [(name, body) for name in WRITES for body in BODIES]
ONE_OF_EACH_CLASS = [
    "no JSON",
    "list",
    "invalid ids",
]  # not JSON; JSON that could be read as an empty list; an object with ids
SHAPES_OF_THE_GATE = [
    (name, body)
    for place, name in enumerate(WRITES)
    for body in ONE_OF_EACH_CLASS
    if name in ONE_OF_EACH_METHOD or body == ONE_OF_EACH_CLASS[place % 3]
]


@pytest.mark.parametrize(("name", "body"), cases(SHAPES, SHAPES_OF_THE_GATE))
def test_wrong_shapes(name, body, clock):
    """The answer to the write, the read-back and the reads before a second write each have a wrong shape once."""
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
