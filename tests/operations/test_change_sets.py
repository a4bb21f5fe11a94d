"""Deleting an agent with its numbers runs step by step: each step once, and resumable wherever it stops."""

import threading
from itertools import product
from typing import Any

import pytest
from django.db import connection

from agents.models import Agent
from controlplane.operations import change_sets, execute, outcome, settle
from controlplane.operations.errors import KeyReused
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import Clock, recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import agent, number

pytestmark = pytest.mark.django_db


class Crash(BaseException):
    """The worker dies."""


def leaving(clock: Clock, numbers: int = 3) -> Agent:
    leaver = agent(clock)
    for at in range(numbers):
        number(clock, leaver, f"+1555010012{at}")
    return leaver


def retire(leaver: Agent, heir: Agent | None = None, key: str = "key") -> ChangeSet:
    return services.delete_agent_with_numbers(leaver, heir, key=key, actor=None)


def work(change_set: ChangeSet) -> ChangeSet:
    change_sets.run_due()
    change_set.refresh_from_db()
    return change_set


def states(change_set: ChangeSet) -> list[str]:
    return [str(step.state) for step in change_sets.current_steps(change_set)]


def assert_done(clock: Clock, change_set: ChangeSet, leaver: Agent, heir: Agent | None) -> None:
    change_set.refresh_from_db()
    assert change_set.state == ChangeSet.State.DONE, change_set.problem
    recover(clock)
    leaver.refresh_from_db()
    assert leaver.gone_at is not None
    for line in PhoneNumber.objects.all():
        assert line.agent == heir
    assert violations(clock.remote) == []


@pytest.mark.parametrize("action", ["release", "move"])
def test_numbers_first_then_the_agent(action, clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot") if action == "move" else None
    change_set = retire(leaver, heir)
    assert states(change_set) == ["planned"] * 4
    since = clock.remote.ledger()[-1]["id"]
    work(change_set)
    kinds = [entry["kind"] for entry in clock.remote.ledger(since)]
    assert kinds == ["update_number"] * 3 + ["delete_agent"]
    assert_done(clock, change_set, leaver, heir)


@pytest.mark.parametrize("step", cases(range(4), [1, 3]))  # a number's step and the agent's
def test_a_step_that_fails_stops_the_rest_and_is_taken_up_again(step, clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    method = "DELETE" if step == 3 else "PATCH"
    clock.remote.fault(method, "/v1/convai/*", "status", status=422, skip=step % 3)

    work(change_set)

    assert change_set.state == ChangeSet.State.STOPPED
    assert change_set.problem.startswith(f"Step {step + 1}: ElevenLabs refused")
    assert states(change_set) == ["done"] * step + ["refused"] + ["planned"] * (3 - step)
    leaver.refresh_from_db()
    assert leaver.gone_at is None
    assert work(change_set).state == ChangeSet.State.STOPPED, "no worker resumes it on its own"

    change_sets.resume(change_set, actor=None)
    change_sets.resume(change_set, actor=None)  # a double click
    work(change_set)
    assert_done(clock, change_set, leaver, heir)
    assert change_set.steps.count() == 5, "the first attempt is still listed"


@pytest.mark.parametrize(
    ("step", "effect"), cases(product(range(4), ["before", "after"]), [(0, "after"), (1, "before"), (3, "after")])
)
def test_an_unconfirmed_step_is_settled_before_the_next_one(step, effect, clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    method = "DELETE" if step == 3 else "PATCH"
    clock.remote.fault(method, "/v1/convai/*", "status", status=500, skip=step % 3, when=effect)

    work(change_set)
    assert change_set.state == ChangeSet.State.RUNNING
    expected = ["done"] * step + ["sent"] + ["planned"] * (3 - step)
    assert states(change_set) == expected
    work(change_set)
    assert states(change_set) == expected, "no later step starts"

    clock.passes(70)
    settle.settle_due()
    work(change_set)
    if effect == "before":
        assert change_set.state == ChangeSet.State.STOPPED
        assert change_set.problem.startswith(f"Step {step + 1}: Read back")
        change_sets.resume(change_set, actor=None)
        work(change_set)
    assert_done(clock, change_set, leaver, heir)


@pytest.mark.parametrize(
    ("point", "step"),
    cases(
        product(["claim", "mark_sent", "record_call", "finish"], range(4)),
        [("claim", 0), ("mark_sent", 3), ("record_call", 1), ("finish", 2)],
    ),
)
def test_a_worker_that_dies_leaves_it_to_the_next(point, step, clock, monkeypatch):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    module = execute if point in ("claim", "mark_sent") else outcome
    original, calls = getattr(module, point), []

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        result = original(*args, **kwargs)
        if len(calls) == step + 1:
            raise Crash
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, point, dies)
        with pytest.raises(Crash):
            change_sets.run_due()

    assert change_sets.run_due() == 0, "the dead worker still holds the claim"
    clock.passes(200)
    settle.settle_due()
    work(change_set)
    assert (change_set.state == ChangeSet.State.STOPPED) == (point in ("claim", "mark_sent"))
    if change_set.state == ChangeSet.State.STOPPED:  # nothing was sent, so staff decide
        change_sets.resume(change_set, actor=None)
        work(change_set)
    assert_done(clock, change_set, leaver, heir)


def test_the_claim_of_a_dead_worker_ends_with_its_lease(clock, monkeypatch):
    leaver = leaving(clock, 1)
    change_set = retire(leaver)

    def dies(*args: Any) -> Any:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(execute, "claim", dies)
        with pytest.raises(Crash):
            change_sets.run_due()
    clock.passes(change_sets.LEASE.total_seconds() - 2)
    assert change_sets.run_due() == 0
    clock.passes(3)
    assert change_sets.run_due() == 1
    assert_done(clock, change_set, leaver, None)


def test_a_second_worker_in_the_middle_of_a_step_finds_nothing_to_do(clock, monkeypatch):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    mark_sent, others = execute.mark_sent, []

    def another_comes(op: Operation, *rest: Any) -> None:
        others.append((change_sets.run_due(), change_sets.work(ChangeSet.objects.get(pk=change_set.pk))))
        mark_sent(op, *rest)

    monkeypatch.setattr(execute, "mark_sent", another_comes)
    change_sets.run_due()
    assert others == [(0, False)] * 4
    assert_done(clock, change_set, leaver, heir)


def test_a_slow_worker_whose_claim_ran_out_leaves_the_rest_to_the_other(clock, monkeypatch):
    """The other worker starts while a step is being sent: it neither sends that step again nor stops it."""
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    mark_sent, slow = execute.mark_sent, []

    def takes_too_long(op: Operation, *rest: Any) -> None:
        if not slow:
            slow.append(op.pk)
            clock.passes(100)
            change_sets.run_due()
        mark_sent(op, *rest)

    monkeypatch.setattr(execute, "mark_sent", takes_too_long)
    change_sets.run_due()
    change_set.refresh_from_db()
    assert change_set.state == ChangeSet.State.RUNNING, change_set.problem
    work(change_set)
    assert_done(clock, change_set, leaver, heir)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once(clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    start = threading.Barrier(4)
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            start.wait(10)
            change_sets.run_due()
        except BaseException as error:  # noqa: BLE001 - checked in the main thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert_done(clock, change_set, leaver, heir)
    assert change_set.steps.count() == 4


def test_one_key_plans_once(clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    first = retire(leaver, heir)
    assert retire(leaver, heir) == first
    with pytest.raises(KeyReused) as refusal:
        retire(leaver, None)
    assert str(leaver) in str(refusal.value)
    assert ChangeSet.objects.count() == 1
    assert Operation.objects.count() == 4
    work(first)
    assert retire(leaver, heir) == first, "the same form sent after the numbers moved is still a repeat"
    assert_done(clock, first, leaver, heir)


def test_a_number_locked_by_another_operation_stops_it_and_is_named(clock):
    leaver, heir = leaving(clock), agent(clock, "Sales Bot")
    change_set = retire(leaver, heir)
    second = PhoneNumber.objects.get(phone_number="+15550100121")
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="after")
    held = services.set_label(second, "Night line", shown="Main", key="rename", actor=None)
    assert held.state == State.SENT

    work(change_set)

    assert change_set.state == ChangeSet.State.STOPPED
    assert change_set.problem.startswith("Step 2 waits: Not sent. system requested at")
    assert states(change_set) == ["done", "planned", "planned", "planned"]
    clock.passes(70)
    settle.settle_due()
    change_sets.resume(change_set, actor=None)
    work(change_set)
    assert_done(clock, change_set, leaver, heir)


def test_a_number_that_moved_meanwhile_stops_it(clock):
    leaver, heir, third = leaving(clock), agent(clock, "Sales Bot"), agent(clock, "Night Bot")
    change_set = retire(leaver, heir)
    second = PhoneNumber.objects.get(phone_number="+15550100121")
    clock.remote.console("assign", number=second.remote_id, agent_id=third.remote_id)
    work(change_set)
    assert change_set.state == ChangeSet.State.STOPPED
    assert "is with Night Bot" in change_set.problem
    assert states(change_set) == ["done", "not_sent", "planned", "planned"]


def test_a_number_bound_to_the_agent_meanwhile_keeps_it_alive(clock):
    leaver = leaving(clock)
    change_set = retire(leaver)
    clock.remote.console("add_number", phone_number="+15550100199", agent_id=leaver.remote_id)
    clock.passes(10)
    work(change_set)
    assert change_set.state == ChangeSet.State.STOPPED
    assert "still answers 1 number" in change_set.problem
    assert clock.remote.get(f"/v1/convai/agents/{leaver.remote_id}")["name"] == leaver.name
