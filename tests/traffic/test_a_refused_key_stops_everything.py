"""A refused key is not used repeatedly: nothing is sent except one probe at a time, until it works again."""

import pytest
from django.db import connection

from controlplane.elevenlabs import ElevenLabsError, KeyRefused, Outcome, connect
from controlplane.operations.models import State
from controlplane.traffic import circuit
from controlplane.traffic.models import Circuit, Remote
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.clock import Clock
from tests.operations.writes import CREDENTIALS, NEW_LINE, agent, number
from tests.processes import children, outcome
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db
OTHERS_SEE_IT = pytest.mark.django_db(transaction=True)  # for other processes and threads, and for retries

REFUSED = {"detail": {"type": "authentication_error", "code": "unauthorized", "message": "Invalid API key",
                      "status": "invalid_api_key"}}  # fmt: skip
NO_SCOPE = {"detail": {"status": "missing_permissions", "message": "The API key you used is missing the permission "
                       "user_read to execute this operation."}}  # fmt: skip
CALLS = """
from collections import Counter
from controlplane.elevenlabs import ElevenLabsError, connect
seen = Counter()
for at in range(25):
    client = connect(urgent=at % 2 == 0)
    for call in (client.list_agents, lambda: client.update_agent("agent_1", {})):
        try:
            call()
        except ElevenLabsError as error:
            seen[type(error).__name__, error.outcome.value] += 1
print(sum(seen.values()), *sorted({name for name, _ in seen}))
"""


def refuse(remote: Sandbox, **more) -> None:
    remote.fault("*", "/v*", "status", **{"status": 401, "body": REFUSED, "times": 100_000, **more})


def sent_since(remote: Sandbox, since: int) -> list[tuple[str, str]]:
    return [(call["method"], call["path"]) for call in remote.calls(since)]


def opened(remote: Sandbox) -> None:
    """The key was refused, and is still refused."""
    refuse(remote)
    with pytest.raises(KeyRefused):
        connect().list_agents()
    assert circuit.refused() is not None


@OTHERS_SEE_IT
@pytest.mark.process
def test_no_storm_over_all_processes_and_it_recovers_by_itself(clock: Clock):
    remote = clock.remote
    refuse(remote)
    with children(remote, [CALLS] * 2, at_once=2) as running:
        assert [outcome(child) for child in running] == [["50", "KeyRefused"]] * 2
    assert 1 <= len(remote.calls()) <= 2
    remote.clear_faults()
    since = remote.call_report()["last_id"]
    clock.passes(31)
    run = sync_all()
    assert run is not None
    assert run.state == run.State.COMPLETE
    assert len(remote.calls(since)) > 3
    assert circuit.refused() is None


def test_it_is_reported_and_nothing_is_sent(clock: Clock):
    old, to = agent(clock), agent(clock, "Sales Bot")
    line = number(clock, old)
    opened(clock.remote)
    since = clock.remote.call_report()["last_id"]
    op = services.assign(line, to, shown=line.bound_to, key="one", actor=None)
    assert op.state == State.NOT_SENT
    assert "ElevenLabs has refused the API key since " in op.message
    assert "so nothing was sent. It is tried again at " in op.message
    assert op.message.endswith(" An administrator has to look at the key.")
    run = sync_all()
    assert run is not None
    assert run.state == run.State.PARTIAL
    assert "refused the API key" in run.problem
    assert sent_since(clock.remote, since) == []

    clock.remote.clear_faults()
    clock.passes(31)
    op = services.assign(line, to, shown=line.bound_to, key="two", actor=None)
    assert op.state == State.DONE, op.message


def test_one_probe_each_half_minute(clock: Clock):
    opened(clock.remote)
    since = clock.remote.call_report()["last_id"]
    for _ in range(3):
        clock.passes(31)
        for call in (connect().list_llms, connect(urgent=True).get_user, connect().list_agents):
            with pytest.raises(KeyRefused):
                call()
    assert sent_since(clock.remote, since) == [("GET", "/v1/convai/llm/list")] * 3


@OTHERS_SEE_IT
def test_nothing_else_is_sent_during_the_probe(clock: Clock, in_thread):
    opened(clock.remote)
    clock.remote.clear_faults()
    clock.remote.fault("GET", "/v1/user", "pause")
    clock.passes(31)
    since = clock.remote.call_report()["last_id"]
    probe = in_thread(lambda: connect().get_user())
    clock.remote.wait_for_call("GET", "/v1/user", since)
    with pytest.raises(KeyRefused) as caught:
        connect(urgent=True).list_agents()
    assert caught.value.outcome is Outcome.NOT_SENT
    clock.remote.clear_faults()
    probe.join(60)
    assert connect().list_agents().rows == []


def test_a_write_never_probes(clock: Clock):
    opened(clock.remote)
    clock.remote.clear_faults()
    clock.passes(31)
    since = clock.remote.call_report()["last_id"]
    with pytest.raises(KeyRefused, match="with the next reading") as caught:
        connect(urgent=True).create_agent({"name": "A"})
    assert caught.value.outcome is Outcome.NOT_SENT
    assert sent_since(clock.remote, since) == []


@pytest.mark.parametrize(
    ("fault", "closes"),
    [
        ({"status": 404, "body": {"detail": {"status": "document_not_found"}}}, True),
        ({"status": 403, "body": {"detail": {"code": "forbidden"}}}, True),
        ({"status": 402, "body": {"detail": {"code": "insufficient_credits"}}}, True),
        ({"status": 401, "body": NO_SCOPE}, True),
        ({"status": 401, "body": REFUSED}, False),
        ({"status": 429}, False),
        ({"status": 422}, False),
        ({"status": 503}, False),
        ({"fault": "hang", "seconds": 0.1}, False),
        ({"fault": "html"}, True),
    ],
)
def test_only_an_answer_that_needs_a_good_key_closes_it(fault, closes, clock: Clock, client_of):
    opened(clock.remote)
    clock.remote.clear_faults()
    clock.remote.fault("GET", "/v1/user", **{"fault": "status", "times": 9, **fault})
    clock.passes(31)
    with pytest.raises(ElevenLabsError):
        client_of(urgent=True, patience=8).get_user()
    assert (circuit.refused() is None) == closes


@pytest.mark.parametrize("status", ["missing_permissions", "x"])
def test_a_missing_permission_opens_nothing(status, remote: Sandbox):
    refuse(remote, body={"detail": {**NO_SCOPE["detail"], "status": status}}, times=1)
    with pytest.raises(KeyRefused):
        connect().get_user()
    assert connect().list_agents().rows == []
    assert Circuit.objects.count() == 0


def test_credentials_of_twilio_are_not_our_key(clock: Clock):
    """An import with a mistyped token must not block everyone else."""
    body = {"detail": {"status": "twilio_error", "message": "HTTP 401 error: Authenticate"}}
    clock.remote.fault("POST", "/v1/convai/phone-numbers", "status", status=401, body=body)
    op = services.import_number(NEW_LINE, label="New", credentials=CREDENTIALS, agent=None, key="one", actor=None)
    assert op.state == State.REFUSED
    assert circuit.refused() is None


def test_a_write_that_names_the_key_opens_it(remote: Sandbox):
    refuse(remote)
    with pytest.raises(KeyRefused):
        connect().create_agent({"name": "A"})
    assert circuit.refused() is not None


def test_another_key_starts_closed(remote: Sandbox, settings):
    settings.ELEVENLABS_API_KEY = "sk_an_old_key_that_was_revoked_0123456789"
    with pytest.raises(KeyRefused, match="Invalid API key"):
        connect().list_agents()
    settings.ELEVENLABS_API_KEY = remote.key
    assert circuit.refused() is None
    assert connect().list_agents().rows == []
    row = Circuit.objects.get()
    kept = f"{row} {row.reason} {row.key_mark} {row.base_url}"
    assert "revoked" not in kept
    assert row.reason == "ElevenLabs says: Invalid API key."


def test_the_mark_reveals_no_key_and_is_specific_to_this_installation(settings):
    mark = Remote.of("https://api.elevenlabs.io", "sk_1").key_mark
    assert mark != Remote.of("https://api.elevenlabs.io", "sk_2").key_mark
    assert mark != Remote.of("https://api.us.elevenlabs.io", "sk_1").key_mark
    settings.SECRET_KEY = "another"
    assert mark != Remote.of("https://api.elevenlabs.io", "sk_1").key_mark


@OTHERS_SEE_IT
def test_an_answer_is_returned_even_if_it_cannot_be_recorded(remote: Sandbox, caplog):
    def fail(execute, sql, params, many, context):
        if "traffic_circuit" in sql and not sql.startswith("SELECT"):
            execute("SELECT 1 FROM no_such_table", (), False, context)
        return execute(sql, params, many, context)

    refuse(remote)
    with connection.execute_wrapper(fail), pytest.raises(KeyRefused) as caught:
        connect().create_agent({"name": "A"})
    assert caught.value.outcome is Outcome.REFUSED
    assert caught.value.status == 401
    assert "could not be noted down" in caplog.text
    assert circuit.refused() is None
