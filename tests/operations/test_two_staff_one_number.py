"""Two people move one number at the same moment: one succeeds, and the other learns who moved it and where to."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from agents.models import Agent
from controlplane.operations import execute
from controlplane.operations.errors import ResourceLocked
from controlplane.operations.models import OPEN_STATES, Operation, State
from numbers.models import PhoneNumber
from tests import number_writes as services
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import WRITES, agent, number


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_each_round_has_one_winner_and_an_explanation_for_the_other(rounds, clock):
    names = ["Support Bot", "Sales Bot", "Night Bot"]
    bots = [agent(clock, name) for name in names]
    line = number(clock, bots[0])
    staff = [User.objects.create(username="ada"), User.objects.create(username="ben")]
    clicks = _TwoAtOnce(line, staff)
    at, locked_out, outdated = 0, 0, 0

    for played in range(rounds):
        targets = [bots[(at + 1) % 3], bots[(at + 2) % 3]]
        first, second = clicks.play(played, bots[at], targets)
        winner = first if isinstance(first, Operation) and first.state == State.DONE else second
        loser = second if winner is first else first
        assert isinstance(winner, Operation)
        assert winner.state == State.DONE, winner.message
        if isinstance(loser, ResourceLocked):
            locked_out += 1
            assert loser.operation.pk == winner.pk
            assert f"{winner.actor_name} requested at" in str(loser)
            assert winner.title in str(loser)
        else:
            outdated += 1
            assert loser.state == State.NOT_SENT
            assert loser.sent_at is None
            assert "it was changed meanwhile" in loser.message
            assert f"is with {bots[_index(bots, winner)]} now" in loser.message
        at = _index(bots, winner)
    clicks.end()

    assert locked_out + outdated == rounds
    assert len(clock.remote.calls(method="PATCH")) == rounds
    recover(clock)
    line.refresh_from_db()
    assert line.agent == bots[at]
    assert violations(clock.remote) == []


def _index(bots: list[Agent], op: Operation) -> int:
    return [bot.remote_id for bot in bots].index(op.params["agent_id"])


class _TwoAtOnce:
    """Two threads that submit at the same moment in every round, like two people at their browsers."""

    def __init__(self, line: PhoneNumber, staff: list[User]) -> None:
        self.line, self.staff = line, staff
        self.start, self.success_message = threading.Barrier(3), threading.Barrier(3)
        self.task: tuple[int, Agent, list[Agent]] | None = None
        self.results: list[Any] = [None, None]
        self.threads = [threading.Thread(target=self._person, args=(who,), daemon=True) for who in (0, 1)]
        for thread in self.threads:
            thread.start()

    def play(self, played: int, shown: Agent, targets: list[Agent]) -> list[Any]:
        self.task = (played, shown, targets)
        self.start.wait(30)
        self.success_message.wait(30)
        for result in self.results:
            if not isinstance(result, Operation | ResourceLocked):
                raise result
        return self.results

    def end(self) -> None:
        self.task = None
        self.start.wait(30)
        for thread in self.threads:
            thread.join(30)

    def _person(self, who: int) -> None:
        while True:
            self.start.wait(30)
            if self.task is None:
                connection.close()
                return
            played, shown, targets = self.task
            try:
                self.results[who] = services.assign(
                    self.line,
                    targets[who],
                    shown=shown.remote_id,
                    key=f"{played}-{who}",
                    actor=self.staff[who],
                )
            except BaseException as error:  # noqa: BLE001 - checked in the main thread
                self.results[who] = error
            self.success_message.wait(30)


@pytest.mark.django_db
@pytest.mark.parametrize("second", ["move", "rename", "remove", "release"])
def test_while_one_is_sending_no_other_write_is_accepted(second, clock, monkeypatch):
    """The second request arrives at the worst moment, after the first was sent and before its answer."""
    ask = WRITES["move"].set_up(clock)
    line, ada = PhoneNumber.objects.get(), User.objects.create(username="ada", first_name="Ada", last_name="Byron")
    other, shown = agent(clock, "Night Bot"), line.bound_to
    asks: dict[str, Callable[[], Operation]] = {
        "move": lambda: services.assign(line, other, shown=shown, key="second", actor=ada),
        "rename": lambda: services.set_label(line, "Mine", shown="Main", key="second", actor=ada),
        "remove": lambda: services.remove(line, shown=shown, key="second", actor=ada),
        "release": lambda: services.assign(line, None, shown=shown, key="second", actor=ada),
    }
    mark_sent = execute.mark_sent

    def sent(op: Operation, *rest: Any) -> None:
        mark_sent(op, *rest)
        calls = clock.remote.call_report()["last_id"]
        with pytest.raises(ResourceLocked, match=r"system requested at .* UTC to: Move") as held:
            asks[second]()
        assert held.value.operation == op
        assert clock.remote.calls(since=calls) == [], "not even a read is sent"

    monkeypatch.setattr(execute, "mark_sent", sent)
    assert ask("first").state == State.DONE
    assert Operation.objects.count() == 1
    recover(clock)
    assert violations(clock.remote) == []


@pytest.mark.django_db
def test_the_second_learns_which_agent_has_the_number_now(clock):
    ask = WRITES["move"].set_up(clock)
    line = PhoneNumber.objects.get()
    shown, other = line.bound_to, agent(clock, "Night Bot")
    assert ask("first").state == State.DONE
    late = services.assign(line, other, shown=shown, key="second", actor=None)
    assert late.state == State.NOT_SENT
    assert "is with Sales Bot" in late.message
    assert late.observed is not None, "the page can show it and offer to continue from there"


@pytest.mark.django_db
@pytest.mark.parametrize("held", OPEN_STATES)
@pytest.mark.parametrize("wanted", list(State))
def test_the_lock_is_the_database_s_own(held, wanted):
    values = {"kind": "number.assign", "resource": "number:x", "fingerprint": "f", "object_type": "number"}
    Operation.objects.create(**values, key="1", title="first", actor_name="ada", state=held)
    second = Operation(**values, key="2", title="second", actor_name="ben", state=wanted)
    if wanted in OPEN_STATES:
        with pytest.raises(IntegrityError), transaction.atomic():
            second.save()
    else:
        second.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            Operation.objects.filter(pk=second.pk).update(state=State.INTENT)
    Operation.objects.create(**{**values, "resource": "number:y"}, key="3", title="other", actor_name="ben")
