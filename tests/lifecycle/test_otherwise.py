"""A remote that behaves differently: the line is refuted, the exit status says so, and nothing is left all the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controlplane.lifecycle import conduct
from controlplane.lifecycle.experiment import Experiment, Plan
from controlplane.lifecycle.models import Report
from controlplane.lifecycle.step import Step
from tests.lifecycle.conftest import newest, nothing_is_left, step, verdicts
from tests.operations.oracle import violations

pytestmark = pytest.mark.django_db

NUMBERS, AGENTS, PAGED = "/v1/convai/phone-numbers", "/v1/convai/agents", "/v1/convai/v2/phone-numbers"
NO_NUMBERS = {"phone_numbers": [], "has_more": False, "next_cursor": None}


def refuted() -> set[int]:
    return {number for number, verdict in verdicts().items() if verdict == "refuted"}


@pytest.mark.parametrize(
    ("switches", "line"),
    [
        ({"after_delete": "null"}, 9),
        ({"after_delete": "released"}, 9),
        ({"listed_after": 0}, 22),
        ({"hidden_until_listed": True}, 22),
    ],
)
def test_by_a_switch_of_the_sandbox(switches, line, lifecycle, remote):
    remote.settings(**switches)
    status, printed = lifecycle()
    assert status == 3, printed
    assert refuted() == {line}
    assert printed.endswith("1 step went otherwise than expected.\n")
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


def refusal(status: int, code: str, kind: str = "validation_error") -> dict:
    detail = {"type": kind, "code": code, "message": "It says something else.", "status": code, "request_id": "r"}
    return {"fault": "status", "status": status, "body": {"detail": detail}}


CASES = [  # (method, path, how many such calls come first, what is answered, the lines that this refutes)
    ("POST", NUMBERS, 0, refusal(403, "forbidden", "authorization_error"), {1}),
    ("POST", NUMBERS, 2, refusal(422, "other"), {34}),
    ("POST", NUMBERS, 3, refusal(400, "bad_request"), {2}),
    ("POST", NUMBERS, 5, refusal(400, "already_there"), {3}),
    ("PATCH", f"{NUMBERS}/*", 3, refusal(400, "invalid_parameters"), {4}),
    ("PATCH", f"{NUMBERS}/*", 5, refusal(422, "no_null"), {6}),
    ("PATCH", f"{NUMBERS}/*", 7, refusal(400, "archived"), {5}),
    ("PATCH", f"{NUMBERS}/*", 3, {"fault": "status", "status": 404, "body": {"detail": "Not Found"}}, {4, 39}),
    ("PATCH", f"{NUMBERS}/*", 0, {"fault": "edit", "when": "after", "body": {"assigned_agent": None}}, {53}),
    ("GET", "/v1/convai/v2/phone-numbers", 0, {"fault": "edit", "query": "agent_id=", "body": NO_NUMBERS}, {24}),
    ("GET", f"{AGENTS}/summaries", 0, {"fault": "status", "status": 200, "body": {}}, {50}),
    ("DELETE", f"{AGENTS}/*", 0, refusal(400, "still_used"), {27}),
    ("DELETE", f"{AGENTS}/*", 0, {"fault": "garbage", "when": "after"}, {26, 45}),
    ("DELETE", f"{NUMBERS}/*", 0, {"fault": "status", "status": 200, "body": {"ok": True}, "when": "after"}, {26}),
    ("GET", PAGED, 0, {**refusal(422, "too_much"), "query": "page_size=1000", "times": 99}, {29}),
    ("GET", PAGED, 0, {**refusal(410, "gone"), "query": "page_size=1000", "times": 99}, {43}),
    ("GET", NUMBERS, 0, {"fault": "status", "status": 200, "body": []}, {43}),
    ("POST", f"{AGENTS}/create", 1, {"fault": "status", "status": 202, "body": {}, "when": "after"}, {44}),
    ("POST", NUMBERS, 4, {"fault": "status", "status": 202, "body": {}, "when": "after"}, {44}),
]


@pytest.mark.parametrize(("method", "path", "skip", "answer", "lines"), CASES)
def test_by_what_is_answered(method, path, skip, answer, lines, lifecycle, remote):
    remote.fault(method, path, skip=skip, **answer)
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

        assert name in {plan.name for plan in conduct.FIRST}
        monkeypatch.setattr(conduct, "FIRST", [changed(plan) for plan in conduct.FIRST])

    return arrange


def test_a_patch_that_replaces_what_it_was_not_sent(lifecycle, remote, as_it_begins):
    """The prompt is gone from each answer after the one to the step's own look and the check."""
    rest = {"agent": {"first_message": "Good evening.", "prompt": {}}}
    edit = {"fault": "edit", "body": {"conversation_config": rest}}

    def replaces() -> None:
        remote.fault("PATCH", f"{AGENTS}/agent_*", **edit)
        remote.fault("GET", f"{AGENTS}/agent_*", **edit, skip=2, times=9)

    as_it_begins("merge", replaces)
    status, printed = lifecycle()
    assert status == 3, printed
    assert verdicts()[12] == "refuted"
    assert step("merge")["outcome"] == "otherwise"


def shows_it_in_the_plain_list(remote) -> None:
    plain = remote.get(AGENTS)
    remote.fault("GET", AGENTS, "edit", query="archived=false", body=plain, times=9)


def lists_it_nowhere(remote) -> None:
    remote.fault("GET", AGENTS, "edit", query="archived=true", body={"agents": []}, times=9)


def tells_it_as_gone(remote) -> None:
    remote.fault("GET", f"{AGENTS}/agent_*", skip=1, **refusal(404, "document_not_found"))


def cannot_bring_it_back(remote) -> None:
    remote.fault("PATCH", f"{AGENTS}/agent_*", skip=1, **refusal(400, "archived"))


@pytest.mark.parametrize("does", [shows_it_in_the_plain_list, lists_it_nowhere, tells_it_as_gone, cannot_bring_it_back])
def test_an_archived_agent_that_is_treated_otherwise(does, lifecycle, remote, as_it_begins):
    as_it_begins("bind to archived", lambda: does(remote))
    status, printed = lifecycle()
    assert status == 3, printed
    assert 25 in refuted()
    assert step("bind to archived")["outcome"] == "otherwise"
    remote.clear_faults()
    assert nothing_is_left(remote)


@pytest.mark.parametrize(("code", "verdict"), [("unauthorized", "confirmed"), ("invalid_api_key", "refuted")])
def test_a_401_to_wrong_credentials(code, verdict, lifecycle, remote):
    remote.fault("POST", NUMBERS, **refusal(401, code, "authentication_error"))
    assert lifecycle()[0] == 3
    assert (verdicts()[1], verdicts()[55]) == ("refuted", verdict)


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
    monkeypatch.setattr("controlplane.lifecycle.refused_imports.WRONG_TOKEN", "a-token-that-the-sandbox-takes")
    status, printed = lifecycle()
    assert status == 3, printed
    assert verdicts()[1] == "refuted"
    assert step("import")["outcome"] == "as assumed"
    assert nothing_is_left(remote)
    assert violations(remote) == []


def test_where_an_agent_cannot_be_made_the_rest_is_not_tried(lifecycle, remote):
    remote.fault("POST", "/v1/convai/agents/create", **refusal(403, "forbidden"))
    status, printed = lifecycle()
    assert status == 3, printed
    assert {one["outcome"] for one in newest().data["steps"][1:]} == {"not tried"}
    assert set(verdicts().values()) == {"not tried"}
    assert remote.ledger() == []


def test_an_import_whose_answer_was_lost_is_found_and_goes_on(lifecycle, remote):
    remote.settings(listed_after=0)
    remote.fault("POST", NUMBERS, "reset", skip=4, when="after")
    status, _ = lifecycle()
    assert status == 0
    assert step("import")["outcome"] == "as assumed"
    assert (step("listed")["outcome"], verdicts()[22]) == ("not tried", "not tried"), "nobody knows since when"
    assert sum(entry["kind"] == "import_number" for entry in remote.ledger()) == 1
    assert nothing_is_left(remote)
