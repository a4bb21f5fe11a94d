"""At most ELEVENLABS_MAX_CONCURRENCY requests in flight, counted by the remote, over all processes and threads."""

import signal
import threading
from functools import partial

import pytest

from controlplane.elevenlabs import Limited, Outcome, Page, connect
from controlplane.traffic import circuit
from tests.processes import children, outcome
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

READ = """
import threading
from django.db import connection
from controlplane.elevenlabs import connect
done = []
def read(urgent):
    client = connect(urgent=urgent)
    for _ in range(10):
        done.append(client.list_agents())
    connection.close()
threads = [threading.Thread(target=read, args=(urgent,)) for urgent in (True, False, False)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(done))
"""
ONE = """
from controlplane.elevenlabs import connect
connect().list_agents()
"""


@pytest.mark.parametrize("at_once", [1, 2])
def test_the_remote_never_sees_more_from_many_threads(at_once, remote: Sandbox, settings, in_thread):
    settings.ELEVENLABS_MAX_CONCURRENCY = at_once
    remote.settings(latency_ms=10)
    start = threading.Barrier(6)

    def read(urgent: bool) -> None:
        client = connect(urgent=urgent)
        start.wait(60)
        for _ in range(3):
            client.list_agents()

    for thread in [in_thread(partial(read, urgent)) for urgent in (True, False, False) * 2]:
        thread.join(60)
    report = remote.call_report()
    assert report["total"] == 6 * 3
    assert report["peak_in_flight"] == at_once


@pytest.mark.process
@pytest.mark.parametrize("at_once", [1, 2])
def test_the_remote_never_sees_more_from_several_processes(at_once, remote: Sandbox):
    remote.settings(latency_ms=10)
    with children(remote, [READ] * 2, at_once=at_once) as running:
        assert [outcome(child) for child in running] == [["30"]] * 2
    report = remote.call_report()
    assert report["total"] == 2 * 3 * 10
    assert report["peak_in_flight"] == at_once


def test_a_request_is_under_way_until_its_answer_is_read(remote: Sandbox, settings, in_thread):
    """Receiving the headers is not enough: no other request is sent while the body is still arriving."""
    settings.ELEVENLABS_MAX_CONCURRENCY = 1
    remote.fault("GET", "/v1/convai/agents", "drip", seconds=0.01)
    slow = in_thread(lambda: connect().list_agents())
    remote.wait_for_call("GET", "/v1/convai/agents")
    connect(urgent=True).list_llms()
    slow.join(30)
    assert [call["path"] for call in remote.calls()] == ["/v1/convai/agents", "/v1/convai/llm/list"]
    assert remote.call_report()["peak_in_flight"] == 1


@pytest.mark.parametrize("urgent", [True, False])
def test_a_call_that_waits_too_long_is_not_sent_and_reports_it(urgent, remote: Sandbox, settings, gate, in_thread):
    settings.ELEVENLABS_WRITE_DEADLINE = 0.05
    agent = remote.create_agent()
    since = remote.call_report()["last_id"]
    client = connect(patience=0.05, urgent=urgent)
    held, enough = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with gate.slot(urgent=True, seconds=1):
            held.wait(60)
            enough.wait(60)

    for _ in range(2):
        in_thread(hold)
    held.wait(60)
    try:
        for call in (client.list_agents, lambda: client.update_agent(agent, {"name": "New"})):
            with pytest.raises(Limited, match="nothing was sent") as caught:
                call()
            assert caught.value.outcome is Outcome.NOT_SENT
            assert client.last_call.tries == 0
            assert client.last_call.status is None
    finally:
        enough.set()
    assert remote.calls(since) == []
    settings.ELEVENLABS_WRITE_DEADLINE = 10
    assert connect(urgent=urgent).update_agent(agent, {"name": "New"}).name == "New"


@pytest.mark.process
def test_a_killed_process_frees_its_slot(remote: Sandbox, settings):
    settings.ELEVENLABS_MAX_CONCURRENCY = 1
    remote.fault("GET", "/v1/convai/agents", "hang")
    with children(remote, [ONE], at_once=1) as (child,):
        remote.wait_for_call("GET", "/v1/convai/agents")
        with pytest.raises(Limited, match="Too many requests"):
            connect(patience=0.1, urgent=True).list_llms()
        child.send_signal(signal.SIGKILL)
        assert child.wait(20) == -signal.SIGKILL
        assert connect(urgent=True).list_llms()


def test_a_call_that_ends_in_an_exception_frees_its_slot(remote: Sandbox, settings, monkeypatch, in_thread):
    """A time limit of a task, or Ctrl-C, may interrupt the wait for a response."""
    settings.ELEVENLABS_MAX_CONCURRENCY = 1
    with monkeypatch.context() as patch:
        patch.setattr("controlplane.elevenlabs.transport.Transport._exchange", _interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            connect().list_agents()
    pages: list[Page] = []
    in_thread(lambda: pages.append(connect(patience=4).list_agents())).join(60)
    assert len(pages) == 1
    assert caught.tb is not None  # until here the traceback has kept the call's objects alive


def _interrupted(*args):
    raise KeyboardInterrupt


def test_nothing_is_sent_where_it_cannot_be_looked_up(remote: Sandbox, monkeypatch):
    monkeypatch.setattr(circuit, "OUTAGE_ERRORS", "SELECT no_such_column FROM traffic_circuit WHERE %s <> %s")
    for call in (connect().list_agents, lambda: connect().create_agent({"name": "A"})):
        with pytest.raises(Exception, match="could not be looked up here, so nothing was sent") as caught:
            call()
        assert caught.value.outcome is Outcome.NOT_SENT
    assert remote.calls() == []
