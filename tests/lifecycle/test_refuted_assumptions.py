"""A remote that behaves differently: the step that meets it says so, and the line is refuted. Each step runs by itself
here; what a whole run makes of it is in test_refuted_assumptions_in_whole_runs.py."""

from collections.abc import Iterator

import pytest

from tests.lifecycle.bench import Bench
from tests.lifecycle.conftest import newest, verdicts

pytestmark = pytest.mark.django_db

NUMBERS, AGENTS, PAGED = "/v1/convai/phone-numbers", "/v1/convai/agents", "/v1/convai/v2/phone-numbers"
NO_NUMBERS = {"phone_numbers": [], "has_more": False, "next_cursor": None}


@pytest.fixture
def bench(quick, stopping) -> Iterator[Bench]:
    bench = Bench(quick, stopping)
    yield bench
    bench.end()


def refusal(status: int, code: str, kind: str = "validation_error") -> dict:
    detail = {"type": kind, "code": code, "message": "It says something else.", "status": code, "request_id": "r"}
    return {"fault": "status", "status": status, "body": {"detail": detail}}


LISTED, DELETED = ("import", "listed"), ("delete bound", "orphaned", "remove")
SWITCHES = [  # (of the sandbox, the steps that meet it, the line that it refutes)
    ({"after_delete": "null"}, DELETED, 9),
    ({"after_delete": "released"}, DELETED, 9),
    ({"listed_after": 0}, LISTED, 22),
    ({"hidden_until_listed": True}, LISTED, 22),
]
UNKNOWN_PATH = {"fault": "status", "status": 404, "body": {"detail": "Not Found"}}
UNBOUND = {"fault": "edit", "when": "after", "body": {"assigned_agent": None}}
ACCEPTED = {"fault": "status", "status": 202, "body": {}, "when": "after"}
A_BODY = {"fault": "status", "status": 200, "body": {"ok": True}, "when": "after"}
PAGE = {"query": "page_size=1000", "times": 99}
CASES = [  # (the steps that meet it, method, path, what is answered, the lines that this refutes)
    (("wrong credentials",), "POST", NUMBERS, refusal(403, "forbidden", "authorization_error"), {1}),
    (("key SID alone",), "POST", NUMBERS, refusal(422, "other"), {34}),
    (("not in the account",), "POST", NUMBERS, refusal(400, "bad_request"), {2}),
    (("import again",), "POST", NUMBERS, refusal(400, "already_there"), {3}),
    (("assign to nobody",), "PATCH", f"{NUMBERS}/*", refusal(400, "invalid_parameters"), {4}),
    (("label null",), "PATCH", f"{NUMBERS}/*", refusal(422, "no_null"), {6}),
    (("bind to archived",), "PATCH", f"{NUMBERS}/*", refusal(400, "archived"), {5}),
    (("assign to nobody",), "PATCH", f"{NUMBERS}/*", UNKNOWN_PATH, {4, 39}),
    (("assign",), "PATCH", f"{NUMBERS}/*", UNBOUND, {53}),
    (("read back",), "GET", PAGED, {"fault": "edit", "query": "agent_id=", "body": NO_NUMBERS}, {24}),
    (DELETED, "GET", f"{AGENTS}/summaries", {"fault": "status", "status": 200, "body": {}}, {50}),
    (DELETED, "DELETE", f"{AGENTS}/*", refusal(400, "still_used"), {27}),
    (DELETED, "DELETE", f"{AGENTS}/*", {"fault": "garbage", "when": "after"}, {26, 45}),
    (("remove",), "DELETE", f"{NUMBERS}/*", A_BODY, {26}),
    (("look",), "GET", PAGED, refusal(422, "too_much") | PAGE, {29}),
    (("look",), "GET", PAGED, refusal(410, "gone") | PAGE, {43}),
    (("look",), "GET", NUMBERS, {"fault": "status", "status": 200, "body": []}, {43}),
    (("create",), "POST", f"{AGENTS}/create", ACCEPTED, {44}),
    (("import",), "POST", NUMBERS, ACCEPTED, {44}),
]
OTHER_STEPS = ("merge", "swap", "assign in use", "assign to empty", "unassign", "malformed SID", "delete")


@pytest.mark.parametrize(
    "steps", sorted({steps for steps, *_ in CASES} | {LISTED} | {(step,) for step in OTHER_STEPS}), ids="-".join
)
def test_on_the_sandbox_as_it_is_each_step_is_as_assumed(steps, bench):
    """Without this a step that was not set up well would pass for a refuted line."""
    bench.set_up_for(steps[0])
    done = bench.run(*steps)
    assert {step.outcome for step in done.values()} == {"as assumed"}, done
    assert bench.refuted() == set()


@pytest.mark.parametrize(("switches", "steps", "line"), SWITCHES)
def test_by_a_switch_of_the_sandbox(switches, steps, line, bench, remote):
    remote.settings(**switches)
    bench.set_up_for(steps[0])
    done = bench.run(*steps)
    assert [step.outcome for step in done.values()].count("otherwise") == 1
    assert bench.refuted() == {line}
    if line == 9:
        assert bench.x.facts["after_delete"] == switches["after_delete"]


def test_an_import_that_is_not_listed_in_time(bench, remote):
    """The rest goes on by its id."""
    remote.settings(listed_after=3600)
    bench.x.listed_within = 1
    done = bench.run("create", "import", "listed", "assign")
    assert bench.refuted() == {22}
    assert done["listed"].found == "It is in no list after 1 s."
    assert done["assign"].outcome == "as assumed"


@pytest.mark.parametrize(("steps", "method", "path", "answer", "lines"), CASES)
def test_by_what_is_answered(steps, method, path, answer, lines, bench, remote):
    bench.set_up_for(steps[0])
    remote.fault(method, path, **answer)
    bench.run(*steps)
    assert bench.refuted() == lines


def loses_what_it_was_not_sent(remote) -> None:
    """The prompt is gone from each answer after the one to the step's own look and the check."""
    rest = {"agent": {"first_message": "Good evening.", "prompt": {}}}
    edit = {"fault": "edit", "body": {"conversation_config": rest}}
    remote.fault("PATCH", f"{AGENTS}/agent_*", **edit)
    remote.fault("GET", f"{AGENTS}/agent_*", **edit, skip=2, times=9)


def test_a_patch_that_replaces_what_it_was_not_sent(bench, remote):
    bench.set_up_for("merge")
    loses_what_it_was_not_sent(remote)
    assert bench.run("merge")["merge"].outcome == "otherwise"
    assert bench.refuted() == {12}
    bench.shows_what_it_did = False


def shows_it_in_the_plain_list(remote) -> None:
    plain = remote.get(AGENTS)
    remote.fault("GET", AGENTS, "edit", query="archived=false", body=plain, times=9)


def lists_it_nowhere(remote) -> None:
    remote.fault("GET", AGENTS, "edit", query="archived=true", body={"agents": []}, times=9)


def tells_it_as_gone(remote) -> None:
    remote.fault("GET", f"{AGENTS}/agent_*", skip=1, **refusal(404, "document_not_found"))


def cannot_bring_it_back(remote) -> None:
    remote.fault("PATCH", f"{AGENTS}/agent_*", skip=1, **refusal(400, "archived"))


ARCHIVED_OTHERWISE = [shows_it_in_the_plain_list, lists_it_nowhere, tells_it_as_gone, cannot_bring_it_back]


@pytest.mark.parametrize("does", ARCHIVED_OTHERWISE)
def test_an_archived_agent_that_is_treated_otherwise(does, bench, remote):
    bench.set_up_for("bind to archived")
    does(remote)
    assert bench.run("bind to archived")["bind to archived"].outcome == "otherwise"
    assert 25 in bench.refuted()


@pytest.mark.parametrize(("code", "verdict"), [("unauthorized", "confirmed"), ("invalid_api_key", "refuted")])
def test_a_401_to_wrong_credentials(code, verdict, bench, remote):
    remote.fault("POST", NUMBERS, **refusal(401, code, "authentication_error"))
    bench.run("wrong credentials")
    assert (bench.verdicts()[1], bench.verdicts()[55]) == ("refuted", verdict)


def test_a_swap_that_takes_two_requests_is_told_as_two(bench, remote):
    bench.set_up_for("swap")
    remote.fault("PATCH", f"{NUMBERS}/*", **refusal(400, "in_use"))
    swap = bench.run("swap")["swap"]
    assert (swap.outcome, swap.writes) == ("otherwise", 3), "the refused one did nothing"
    assert bench.x.facts["hot_swap"] == 2


def test_wrong_credentials_that_are_taken_are_removed_before_the_real_import(bench, monkeypatch):
    """The remote does not ask Twilio: it takes any token."""
    monkeypatch.setattr("controlplane.lifecycle.edge_cases.WRONG_TOKEN", "a-token-that-the-sandbox-takes")
    done = bench.run("wrong credentials", "import")
    assert bench.refuted() == {1}
    assert done["import"].outcome == "as assumed"


def test_where_an_agent_cannot_be_made_the_rest_is_not_tried(lifecycle, remote):
    remote.fault("POST", "/v1/convai/agents/create", **refusal(403, "forbidden"))
    status, printed = lifecycle()
    assert status == 3, printed
    assert {one["outcome"] for one in newest().data["steps"][1:]} == {"not tried"}
    assert set(verdicts().values()) == {"not tried"}
    assert remote.ledger() == []


def test_an_import_whose_answer_was_lost_is_found_and_goes_on(bench, remote):
    remote.settings(listed_after=0)
    remote.fault("POST", NUMBERS, "reset", when="after")
    done = bench.run("create", "import", "listed", "assign")
    assert (done["import"].outcome, done["assign"].outcome) == ("as assumed", "as assumed")
    assert (done["listed"].outcome, bench.verdicts()[22]) == ("not tried", "not tried"), "nobody knows since when"
    assert sum(entry["kind"] == "import_number" for entry in remote.ledger()) == 1
