"""A form carries a key, and each key allows one write: double click, refresh, back and resubmit, two tabs."""

import threading
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from controlplane.audit.justification import Justification
from controlplane.operations.errors import KeyReused
from controlplane.operations.models import Operation, State
from tests import agent_writes as agents
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS, NEW_LINE, WRITES, agent, number

AT_ONCE = 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", cases(["create", "import", "move"], ["import"]))
def test_fifty_at_once_are_one_write(name, clock):
    ask = WRITES[name].set_up(clock)
    start, results = threading.Barrier(AT_ONCE), []

    def click() -> None:
        try:
            start.wait(30)
            results.append(ask("one key"))
        except BaseException as error:  # noqa: BLE001 - checked in the main thread
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {type(result) for result in results} == {Operation}, [r for r in results if not isinstance(r, Operation)]
    assert len(results) == AT_ONCE
    only = Operation.objects.get()
    assert only.state == State.DONE
    assert {result.pk for result in results} == {only.pk}
    assert len(clock.remote.calls(method=WRITES[name].method, path="/v1/*")) == 1
    recover(clock)
    assert violations(clock.remote) == []


ANSWERS: dict[State, dict[str, Any] | None] = {
    State.DONE: None,
    State.REFUSED: {"fault": "status", "status": 422},
    State.SENT: {"fault": "status", "status": 500, "when": "after"},
}
# Requests are compared by each action; outcomes are stored by code that all writes share.
IN_TURN = [(name, list(ANSWERS)[place % 3]) for place, name in enumerate(WRITES)]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "state"), cases(product(WRITES, ANSWERS), IN_TURN))
def test_sent_again_it_shows_the_first_result(name, state, clock):
    ask = WRITES[name].set_up(clock)
    if answer := ANSWERS[state]:
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", **answer)
    first = ask("key")
    calls = clock.remote.call_report()["last_id"]

    again = ask("key")

    assert (again.pk, again.state, again.message) == (first.pk, state, first.message)
    assert clock.remote.calls(since=calls) == []
    recover(clock)
    settled, calls = Operation.objects.get(), clock.remote.call_report()["last_id"]
    later = ask("key")
    assert (later.pk, later.state, later.message) == (settled.pk, settled.state, settled.message)
    assert clock.remote.calls(since=calls) == []
    assert violations(clock.remote) == []


@pytest.mark.django_db
def test_a_key_is_valid_for_one_request_only(clock):
    old, other = agent(clock), agent(clock, "Sales Bot")
    line, second = number(clock, old), number(clock, old, "+15550100124")
    shown = old.remote_id
    first = services.assign(line, other, shown=shown, key="key", actor=None)
    assert first.state == State.DONE
    calls = clock.remote.call_report()["last_id"]
    others: list[Any] = [
        lambda: services.assign(line, None, shown=shown, key="key", actor=None),
        lambda: services.assign(line, old, shown=shown, key="key", actor=None),
        lambda: services.assign(line, other, shown="", key="key", actor=None),
        lambda: services.assign(second, other, shown=shown, key="key", actor=None),
        lambda: services.set_label(line, "New", shown="Main", key="key", actor=None),
        lambda: services.remove(line, shown=shown, key="key", actor=None),
        lambda: services.import_number(NEW_LINE, label="x", credentials=CREDENTIALS, key="key", actor=None),
        lambda: agents.create(name="New", body={}, key="key", actor=None),
        lambda: agents.update(old, values={"name": "x"}, shown={"name": old.name}, key="key", actor=None),
        lambda: agents.archive(old, archived=True, key="key", actor=None),
        lambda: agents.duplicate(old, name="Copy", key="key", actor=None),
        lambda: agents.delete(old, key="key", actor=None),
    ]
    for ask in others:
        with pytest.raises(KeyReused, match="already sent with other values: Move"):
            ask()
    assert clock.remote.calls(since=calls) == [], "nothing was read or sent"
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_a_repeat_by_another_user_or_without_a_reason_changes_nothing(clock):
    old = agent(clock)
    ada = User.objects.create(username="ada")
    first = agents.update(
        old,
        values={"name": "New"},
        shown={"name": old.name},
        key="key",
        actor=ada,
        justification=Justification("asked"),
    )
    again = agents.update(old, values={"name": "New"}, shown={"name": old.name}, key="key", actor=None)
    assert again == first
    assert (again.actor_name, again.reason) == ("ada", "asked")


@pytest.mark.django_db
def test_an_import_sent_again_with_other_credentials_is_the_first_one(clock):
    """Credentials are not stored, so they are not compared."""
    first = services.import_number(NEW_LINE, label="x", credentials=CREDENTIALS, key="key", actor=None)
    other = services.TwilioCredentials(sid="AC" + "2" * 32, token="other")
    again = services.import_number(NEW_LINE, label="x", credentials=other, key="key", actor=None)
    assert again == first
    assert len(clock.remote.calls(method="POST", path="/v1/*")) == 1
