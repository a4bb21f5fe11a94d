"""Over HTTP, against web processes as shipped: concurrent requests, and the client from docs/api.md."""

import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.api.caller import TWILIO, Caller, person, service, token_of
from tests.running import ROOT
from tests.workers.process_harness import ProcessHarness

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
AT_ONCE = 50
BODIES = {
    "create": ("POST", "/api/agents", {"name": "New"}),
    "import": ("POST", "/api/numbers/import", {"phone_number": "+14155550009", "label": "x", **TWILIO}),
    "move": ("PATCH", "/api/numbers/{number}/assign", {"agent_id": "{agent}"}),
    "delete": ("DELETE", "/api/agents/{agent}", None),
}


@pytest.fixture
def harness(transactional_db, remote, tmp_path) -> Iterator[ProcessHarness]:
    """With a folder as the broker: writes through the API do not need a broker."""
    harness = ProcessHarness(tmp_path, remote, None)
    yield harness
    harness.end()


def at_once(ask, count: int) -> list[requests.Response]:
    """`ask(session, turn)` in `count` threads that start at the same time."""
    start, answers, lock = threading.Barrier(count), [], threading.Lock()

    def one(turn: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            start.wait(30)
            answer = ask(session, turn)
        with lock:
            answers.append(answer)

    threads = [threading.Thread(target=one, args=(turn,)) for turn in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answers


@pytest.mark.parametrize("name", BODIES)
def test_fifty_at_once_with_one_key_reach_the_remote_once(name, harness, remote):
    agent = remote.create_agent("Support Bot")
    number = remote.import_number("+15550100001", "Main")
    remote.advance(10)
    sync_all()
    method, path, body = BODIES[name]
    path = path.format(agent=agent, number=number)
    body = body and {field: agent if value == "{agent}" else value for field, value in body.items()}
    webs = [harness.web(), harness.web()]
    call = Caller(person("olga", "Operators"))
    headers = {"Authorization": f"Bearer {call.access}", "Idempotency-Key": uuid.uuid4().hex}
    since = remote.call_report()["last_id"]

    def ask(session: requests.Session, turn: int) -> requests.Response:
        return session.request(method, webs[turn % 2].url + path, json=body, headers=headers, timeout=120)

    answers = at_once(ask, AT_ONCE)

    only = Operation.objects.get()
    done = 201 if method == "POST" else 200
    assert {answer.status_code for answer in answers} <= {done, 202}, {answer.text for answer in answers}
    assert {answer.json()["id"] for answer in answers} == {only.pk}
    assert only.state == State.DONE, only.message
    assert len(remote.calls(since=since, method=method, path="/v1/*")) == 1
    with requests.Session() as later:
        outcomes = {(answer.status_code, answer.text) for answer in (ask(later, turn) for turn in range(2))}
    assert {status for status, _ in outcomes} == {done}
    assert len(outcomes) == 1


def test_a_rate_holds_over_all_processes(harness, remote):
    rate = 20
    webs = [harness.web(API_RATE_PER_MINUTE=str(rate)), harness.web(API_RATE_PER_MINUTE=str(rate))]
    headers = {"Authorization": f"Bearer {Caller(person('olga', 'Operators')).access}"}

    def ask(session: requests.Session, turn: int) -> requests.Response:
        return session.get(f"{webs[turn % 2].url}/api/agents", headers=headers, timeout=60)

    answers = at_once(ask, 2 * rate)

    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(served) + len(refused) == 2 * rate
    assert rate <= len(served) <= rate + 3  # one more for each 3 s that the test took
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)


def test_the_client_of_the_documentation_does_the_whole_life(harness, remote, tmp_path):
    code = re.search(r"```python\n(.*?)```", Path(ROOT, "docs/api.md").read_text(), re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    script = tmp_path / "client.py"
    script.write_text(code)
    harness.worker()
    harness.beat()
    _, secret = token_of(service("robot", "Operators"))
    arguments = [harness.web().url, secret, "+14155550123", TWILIO["sid"], TWILIO["token"]]

    ran = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    begins = [" ".join(line.split()[:1]) for line in lines]
    assert begins == ["Assigned", "Moved", "Removed", "Deleted", "Deleted"], lines
    assert PhoneNumber.objects.get().gone_at is not None
    assert set(Operation.objects.values_list("actor_name", "state")) == {("robot", "done")}
