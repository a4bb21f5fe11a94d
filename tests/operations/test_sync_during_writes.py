"""A sync that listed the remote before a write neither restores the old value nor records an external change."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from agents.sync import Agents
from controlplane.audit.models import Entry
from controlplane.elevenlabs import ElevenLabs
from controlplane.mirror import upsert as mirror_upsert
from controlplane.mirror.writer import MirrorWriter
from controlplane.operations import settle
from controlplane.operations.models import Operation, State
from numbers.models import PhoneNumber
from numbers.models import State as NumberState
from numbers.sync import Numbers, sync_all
from tests import number_writes as services
from tests.crossed import cases
from tests.operations.clock import recover
from tests.operations.consistency_checks import mirror_differs, violations
from tests.operations.writes import ONE_OF_EACH_METHOD, ONE_OF_EACH_VERB, WRITES, agent, number

pytestmark = pytest.mark.django_db


def collection_of(name: str) -> Any:
    return Agents if WRITES[name].kind.startswith("agent") else Numbers


def once(action: Callable[[], Any]) -> Callable[[], None]:
    remaining = [action]

    def run() -> None:
        if remaining:
            remaining.pop()()

    return run


def after_listing(collection: Any, action: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    listings = collection.listings

    def read_and_then(listing: Any) -> Any:
        for page in listing:
            action()
            yield page

    patch.setattr(collection, "listings", lambda *args: [read_and_then(listing) for listing in listings(*args)])


def before_storing(collection: Any, action: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """After the sync has computed the differences, before it stores its first row."""
    differing = collection.diff

    def differs(self: Any, rows: Any) -> Any:
        found = differing(self, rows)
        action()
        return found

    patch.setattr(collection, "diff", differs)


def after_details(collection: Any, action: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    get_agent = ElevenLabs.get_agent

    def got(self: ElevenLabs, agent_id: str) -> Any:
        answer = get_agent(self, agent_id)
        action()
        return answer

    patch.setattr(ElevenLabs, "get_agent", got)


@pytest.mark.parametrize(
    ("name", "moment"),
    cases(
        product(WRITES, [after_listing, before_storing]),
        [*product(ONE_OF_EACH_VERB, [before_storing]), *product(ONE_OF_EACH_METHOD, [after_listing])],
    ),
)
def test_a_write_during_a_sync_is_kept(name, moment, clock, monkeypatch):
    ask = WRITES[name].set_up(clock)
    since, history_since = clock.remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    done = []
    with monkeypatch.context() as patch:
        moment(collection_of(name), once(lambda: done.append(ask("key"))), patch)
        sync_all()
    assert [op.state for op in done] == [State.DONE]
    # A new number is listed later, and the next sync reads the details of its agent.
    recover(clock)
    assert violations(clock.remote, since=since, history_since=history_since) == []


def test_a_write_between_reading_and_storing_the_details_is_kept(clock, monkeypatch):
    ask = WRITES["update"].set_up(clock)
    clock.passes(2)
    clock.remote.console("patch_agent", agent_id=agent_id(clock), patch={"tags": ["console"]})
    clock.passes(2)
    done = []
    with monkeypatch.context() as patch:
        after_details(Agents, once(lambda: done.append(ask("key"))), patch)
        sync_all()
    assert [op.state for op in done] == [State.DONE]
    assert mirror_differs(clock.remote) == []
    recover(clock)
    assert violations(clock.remote) == []


def agent_id(clock: Any) -> str:
    return clock.remote.get("/v1/convai/agents")["agents"][0]["agent_id"]


@pytest.mark.parametrize("name", cases(["assign", "move", "release", "rename"], ["move", "rename"]))
def test_while_the_outcome_is_unknown_the_row_is_left_alone(name, clock):
    ask = WRITES[name].set_up(clock)
    line = PhoneNumber.objects.get()
    before = (line.label, line.bound_to, line.remote_data)
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500, when="after")
    op = ask("key")
    clock.passes(20)
    sync_all()
    line.refresh_from_db()
    assert (line.label, line.bound_to, line.remote_data) == before
    assert line.state is NumberState.UNCONFIRMED

    clock.passes(60)
    settle.settle_due()
    op.refresh_from_db()
    assert op.state == State.DONE
    sync_all()
    assert violations(clock.remote) == []


@pytest.mark.parametrize(
    ("name", "first"),
    cases(
        product(["create", "duplicate", "import"], ["the sync", "the operation"]),
        product(["create", "import"], ["the sync", "the operation"]),  # an agent and a number
    ),
)
def test_a_new_object_is_stored_once(name, first, clock, monkeypatch):
    """The sync and the operation both find no row; then the other one inserts it first."""
    clock.remote.settings(listed_after=0)
    ask = WRITES[name].set_up(clock)
    since, history_since = clock.remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    if first == "the operation":
        clock.remote.fault(WRITES[name].method, "/v1/convai/*", "status", status=500, when="after")
        assert ask("key").state == State.SENT
        clock.passes(120)
    write, store, other = mirror_upsert.write, MirrorWriter._store, once(sync_all)

    def after_the_sync(changes: Any) -> None:
        if any(change.new for change in changes):
            other()
        write(changes)

    def after_the_operation(self: MirrorWriter, seen: Any) -> set[str]:
        settle.settle_due()
        return store(self, seen)

    with monkeypatch.context() as patch:
        if first == "the sync":
            patch.setattr(mirror_upsert, "write", after_the_sync)
            assert ask("key").state == State.DONE
        else:
            patch.setattr(MirrorWriter, "_store", after_the_operation)
            run = sync_all()
            assert run is not None
            assert run.state == run.State.COMPLETE
    assert Operation.objects.get().state == State.DONE
    recover(clock)
    assert violations(clock.remote, since=since, history_since=history_since) == []


def test_other_rows_are_synced_meanwhile(clock):
    old, other = agent(clock), agent(clock, "Sales Bot")
    line, second = number(clock, old), number(clock, old, "+15550100124")
    clock.remote.fault("PATCH", "/v1/convai/*", "status", status=500)
    services.assign(line, other, shown=old.remote_id, key="key", actor=None)
    for each in (line, second):
        clock.remote.console("patch_number", number=each.remote_id, patch={"label": "Console line"})
    sync_all()
    line.refresh_from_db()
    second.refresh_from_db()
    assert (line.label, second.label) == ("Main", "Console line")
    recover(clock)
    assert violations(clock.remote) == []
