"""Whatever ends a run, what it made is removed or named, and nothing else is ever touched."""

from io import StringIO
from threading import Event
from unittest.mock import ANY

import pytest
from django.core.management import call_command

from agents.actions import CreateAgent
from controlplane.audit.justification import NO_JUSTIFICATION
from controlplane.elevenlabs import connect
from controlplane.lifecycle import cleanup
from controlplane.lifecycle.models import MAX_REPORTS, Asked, Report
from controlplane.lifecycle.runner import Runner
from controlplane.operations.models import Operation, State
from tests import agent_writes as agents
from tests.lifecycle.conftest import newest, nothing_is_left, step
from tests.operations.consistency_checks import violations

NUMBERS, AGENTS = "/v1/convai/phone-numbers", "/v1/convai/agents"
pytestmark = pytest.mark.django_db
FORBIDDEN = {"detail": {"type": "authorization_error", "code": "forbidden", "message": "No.", "status": "forbidden"}}


def test_one_that_comes_as_the_clean_up_begins_names_it_too(remote):
    report = Report.objects.create(base_url=remote.url, actor_name="system")
    runner = Runner(report, connect(), actor=None, justification=NO_JUSTIFICATION, stopping=Event())
    made = runner.request(CreateAgent.of("Support Bot", {"conversation_config": {}}))

    def print_line(words: str) -> None:
        if words.startswith("Cleaning up"):
            raise KeyboardInterrupt

    (left,) = cleanup.end(runner, print_line)
    assert (left.asked.name, left.object_id) == ("Support Bot", made.object_id)


@pytest.mark.parametrize(
    ("steps", "method", "path"),
    [
        (("create",), "POST", f"{AGENTS}/create"),
        (("create", "import"), "POST", NUMBERS),
        (("create", "import", "assign"), "PATCH", f"{NUMBERS}/*"),
        (("create", "import", "remove"), "DELETE", f"{NUMBERS}/*"),
    ],
)
def test_after_a_run_that_died_the_next_call_removes_what_is_left(
    steps, method, path, only, lifecycle, remote, monkeypatch
):
    """As after a kill, which test_stopped_or_killed.py does to real processes: the last write has no verdict."""

    class Killed(BaseException):
        pass

    def dies(runner: Runner, op: Operation) -> Operation:
        if op.is_unconfirmed:
            raise Killed
        return op

    only(*steps)
    remote.fault(method, path, "reset", when="after")
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "decided", dies)
        with pytest.raises(Killed):
            lifecycle()
    assert newest().state == Report.State.RUNNING
    assert Operation.objects.filter(state=State.SENT).count() == 1
    assert not nothing_is_left(remote)
    assert lifecycle("--clean-up") == (0, ANY)
    assert nothing_is_left(remote)
    assert newest().state == Report.State.BROKEN_OFF
    assert newest().data["broken_off"]
    assert violations(remote) == []


def test_what_cannot_be_removed_is_named_and_tried_again(only, lifecycle, remote):
    only("create", "import", "remove")
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    status, printed = lifecycle()
    assert status == 4, printed
    assert len(newest().data["left"]) == 3
    assert all(word in printed for word in ("Left over: number", "Support Bot agent_", "Sales Bot agent_"))
    assert printed.endswith("--clean-up tries again.\n")
    status, printed = lifecycle("--clean-up")
    assert status == 4
    assert printed.count("Left over from an earlier run:") == 3
    remote.clear_faults()
    status, printed = lifecycle("--clean-up")
    assert (status, "Nothing is left of earlier runs." in printed) == (0, True)
    assert nothing_is_left(remote)
    assert newest().data["left"] == []


def test_nothing_is_removed_that_it_did_not_make(only, lifecycle, remote):
    """Not an agent of the same name, not a number that was there, not what other operations made here."""
    only("create", "import", "bind to archived", "delete bound", "remove")
    namesake = remote.create_agent("Support Bot")
    remote.import_number("+14155550001", "Main", agent_id=namesake)
    op = agents.create(name="Sales Bot", body={"conversation_config": {}}, key="a form's", actor=None)
    before = len(remote.ledger())
    assert lifecycle()[0] == 0
    assert lifecycle("--clean-up")[0] == 0
    touched = {entry["object_id"] for entry in remote.ledger()[before:]}
    kept = {row["agent_id"] for row in remote.get(AGENTS)["agents"]}
    assert kept == {namesake, op.object_id}
    assert not touched & {*kept, *(row["phone_number_id"] for row in remote.get(NUMBERS))}
    made = {entry["object_id"] for entry in remote.ledger()[before:] if entry["before"] is None}
    assert touched <= made


def test_a_number_that_is_there_is_left_alone(lifecycle, remote, monkeypatch):
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+1 415 555 0001")
    remote.import_number("+14155550001", "Main")
    remote.advance(10)
    status, printed = lifecycle()
    assert status == 1
    assert "+14155550001 is in this workspace already" in printed
    assert not Report.objects.exists()
    assert len(remote.ledger()) == 1


def test_a_number_that_somebody_uses_by_now_is_left_as_it_is(only, lifecycle, remote):
    only("create", "import")
    remote.fault("DELETE", f"{NUMBERS}/*", "status", status=403, body=FORBIDDEN, times=99)
    assert lifecycle()[0] == 4
    remote.clear_faults()
    remote.advance(3600)  # by then it is listed
    (left,) = remote.get(NUMBERS)
    stranger = remote.console("create_agent", name="Night Desk")["agent_id"]
    remote.console("assign", number=left["phone_number_id"], agent_id=stranger)
    status, printed = lifecycle("--clean-up")
    assert status == 4
    assert "It was assigned to another agent meanwhile" in printed
    assert remote.get(NUMBERS)[0]["assigned_agent"]["agent_id"] == stranger
    remote.console("assign", number=left["phone_number_id"], agent_id=None)
    assert lifecycle("--clean-up")[0] == 0
    assert [row["agent_id"] for row in remote.get(AGENTS)["agents"]] == [stranger]


def test_a_request_is_recorded_before_it_is_sent(only, lifecycle, remote):
    """Of each object that the sandbox made, the record was committed first: by it the clean-up finds it."""
    only("create", "import")
    lifecycle()
    made = [entry for entry in remote.ledger() if entry["before"] is None]
    asked = {asked.operation.object_id: asked for asked in Asked.objects.exclude(makes="") if asked.operation}
    assert {entry["object_id"] for entry in made} <= set(asked)
    for entry in made:
        op = asked[entry["object_id"]].operation
        assert op.created_at.timestamp() <= op.sent_at.timestamp() <= entry["at"]
    assert step("create")["operation"] == Operation.objects.earliest("pk").pk


def test_nobody_has_to_read_what_it_prints(only, quick, remote):
    """As with `manage.py lifecycle | head`."""
    only("create", "import")

    class Closed(StringIO):
        def write(self, words: str) -> int:
            raise BrokenPipeError

    call_command("lifecycle", stdout=Closed())
    assert newest().state == Report.State.AS_ASSUMED
    assert nothing_is_left(remote)


def test_an_error_of_ours_cleans_up_too(only, lifecycle, remote, monkeypatch):
    only("create", "import", "listed")

    def breaks(*args: object) -> None:
        raise RuntimeError("a secret, perhaps")

    monkeypatch.setattr("controlplane.lifecycle.steps.import_polling.check_again", breaks)
    status, printed = lifecycle()
    assert status == 5
    assert "an error of this program (RuntimeError)" in printed
    assert "a secret, perhaps" not in printed
    assert newest().state == Report.State.BROKEN_OFF
    assert nothing_is_left(remote)


def test_the_last_fifty_are_kept_and_those_with_something_left(only, lifecycle, remote):
    only("create", "import")
    remote.fault("DELETE", "*", "status", status=403, body=FORBIDDEN, times=99)
    lifecycle()
    with_rest = newest().pk
    Report.objects.bulk_create(Report(base_url="http://127.0.0.1:1", actor_name="x") for _ in range(MAX_REPORTS + 3))
    cleanup.delete_old_reports()
    assert Report.objects.count() == MAX_REPORTS + 1
    assert Report.objects.filter(pk=with_rest).exists()
    assert connect().get_agent(next(iter(remote.get(AGENTS)["agents"]))["agent_id"])
