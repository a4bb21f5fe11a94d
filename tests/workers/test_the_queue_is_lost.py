"""Redis loses its queue between the click and the worker, as in a restart: beat finds the due work in the database."""

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.operations.models import ChangeSet
from controlplane.operations.tasks import run_change_sets
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.consistency_checks import violations
from tests.workers.process_harness import QUEUE, ProcessHarness
from tests.workers.redis_server import RedisServer
from tests.workers.waiting import until

pytestmark = pytest.mark.process


@pytest.mark.parametrize("lost_by", ["kill", "flush"])
def test_it_is_done_all_the_same(lost_by, redis_harness: ProcessHarness, redis_server: RedisServer):
    harness, remote = redis_harness, redis_harness.remote
    leaving, heir = remote.create_agent("Support Bot"), remote.create_agent("Sales Bot")
    remote.import_number("+15550100001", agent_id=leaving)
    remote.advance(10)
    assert sync_all() is not None
    since, history_since = remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    support, sales = (Agent.objects.get(remote_id=bot) for bot in (leaving, heir))
    services.delete_agent_with_numbers(support, sales, key="set", actor=None)
    harness.deliver(run_change_sets.name)
    assert redis_server.client.llen(QUEUE) == 1

    getattr(redis_server, lost_by)()
    if lost_by == "kill":
        redis_server.start()
    assert redis_server.client.llen(QUEUE) == 0
    harness.worker()
    harness.beat()

    until(lambda: ChangeSet.objects.get().state == ChangeSet.State.DONE, "the change set is done")
    assert [entry["kind"] for entry in remote.ledger(since)] == ["update_number", "delete_agent"]
    harness.end()
    assert violations(remote, since=since, history_since=history_since) == []
