"""The whole experiment on a remote that behaves differently: the line is refuted, the exit status says so, and nothing
is left all the same. Each step by itself is in test_refuted_assumptions.py."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controlplane.lifecycle import exclusive_run
from controlplane.lifecycle.experiment import Experiment, Plan, Step
from controlplane.lifecycle.models import Report
from tests.lifecycle.conftest import newest, nothing_is_left, step, verdicts
from tests.lifecycle.test_refuted_assumptions import (
    ARCHIVED_OTHERWISE,
    CASES,
    NUMBERS,
    SWITCHES,
    loses_what_it_was_not_sent,
    refusal,
)
from tests.operations.consistency_checks import violations

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# How many calls of the same method and path come first in a whole run.
BEFORE = {
    "wrong credentials": 0,
    "key SID alone": 2,
    "not in the account": 3,
    "import": 4,
    "import again": 5,
    "assign": 0,
    "assign to nobody": 3,
    "label null": 5,
    "bind to archived": 7,
}


def refuted() -> set[int]:
    return {number for number, verdict in verdicts().items() if verdict == "refuted"}


@pytest.mark.parametrize(("switches", "steps", "line"), SWITCHES)
def test_by_a_switch_of_the_sandbox(switches, steps, line, lifecycle, remote):
    remote.settings(**switches)
    status, printed = lifecycle()
    assert status == 3, printed
    assert refuted() == {line}
    assert printed.endswith("1 step with an unexpected result.\n")
    assert newest().state == Report.State.OTHERWISE
    assert nothing_is_left(remote)
    if line == 9:
        assert newest().data["after_delete"] == switches["after_delete"]


def test_an_import_that_is_not_listed_in_time(lifecycle, remote):
    """The rest goes on by its id."""
    remote.settings(listed_after=3600)
    status, printed = lifecycle("--listed-within", "1")
    assert status == 3, printed
    assert 22 in refuted()
    assert step("listed")["found"] == "It is in no list after 1 s."
    assert step("swap")["outcome"] == "as assumed"
    assert remote.advance(3600) > 0
    assert nothing_is_left(remote)


@pytest.mark.parametrize(("steps", "method", "path", "answer", "lines"), CASES)
def test_by_what_is_answered(steps, method, path, answer, lines, lifecycle, remote):
    remote.fault(method, path, skip=BEFORE.get(steps[0], 0), **answer)
    status, printed = lifecycle()
    assert status == 3, printed
    assert refuted() == lines
    assert nothing_is_left(remote)
    assert violations(remote) == []


@pytest.fixture
def as_it_begins(monkeypatch) -> Callable[[str, Callable[[], object]], None]:
    """as_it_begins("merge", deed): from this step on the remote behaves as the deed has it."""

    def arrange(name: str, deed: Callable[[], object]) -> None:
        def changed(plan: Plan) -> Plan:
            def do(x: Experiment, step: Step) -> None:
                deed()
                plan.do(x, step)

            return replace(plan, do=do) if plan.name == name else plan

        assert name in {plan.name for plan in exclusive_run.FIRST}
        monkeypatch.setattr(exclusive_run, "FIRST", [changed(plan) for plan in exclusive_run.FIRST])

    return arrange


def test_a_patch_that_replaces_what_it_was_not_sent(lifecycle, remote, as_it_begins):
    as_it_begins("merge", lambda: loses_what_it_was_not_sent(remote))
    status, printed = lifecycle()
    assert status == 3, printed
    assert verdicts()[12] == "refuted"
    assert step("merge")["outcome"] == "otherwise"


@pytest.mark.parametrize("does", ARCHIVED_OTHERWISE)
def test_an_archived_agent_that_is_treated_otherwise(does, lifecycle, remote, as_it_begins):
    as_it_begins("bind to archived", lambda: does(remote))
    status, printed = lifecycle()
    assert status == 3, printed
    assert 25 in refuted()
    assert step("bind to archived")["outcome"] == "otherwise"
    remote.clear_faults()
    assert nothing_is_left(remote)


def test_a_swap_that_takes_two_requests_is_told_as_two(lifecycle, remote):
    remote.fault("PATCH", f"{NUMBERS}/*", skip=1, **refusal(400, "in_use"))
    status, printed = lifecycle()
    assert status == 3
    assert newest().data["hot_swap"] == 2
    assert "Hot-swap: 2 requests." in printed
    assert step("swap")["writes"] == 3, "the refused one did nothing"
    assert nothing_is_left(remote)


def test_wrong_credentials_that_are_taken_are_removed_before_the_real_import(lifecycle, remote, monkeypatch):
    """The remote does not ask Twilio: it takes any token."""
    monkeypatch.setattr("controlplane.lifecycle.edge_cases.WRONG_TOKEN", "a-token-that-the-sandbox-takes")
    status, printed = lifecycle()
    assert status == 3, printed
    assert verdicts()[1] == "refuted"
    assert step("import")["outcome"] == "as assumed"
    assert nothing_is_left(remote)
    assert violations(remote) == []


def test_an_import_whose_answer_was_lost_is_found_and_goes_on(lifecycle, remote):
    remote.settings(listed_after=0)
    remote.fault("POST", NUMBERS, "reset", skip=4, when="after")
    status, _ = lifecycle()
    assert status == 0
    assert step("import")["outcome"] == "as assumed"
    assert (step("listed")["outcome"], verdicts()[22]) == ("not tried", "not tried"), "nobody knows since when"
    assert sum(entry["kind"] == "import_number" for entry in remote.ledger()) == 1
    assert nothing_is_left(remote)
