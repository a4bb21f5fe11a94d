"""Redis is killed, hangs or loses its data during a click and a running sync: each click is answered immediately, a
single change is still made, and work for a worker is done exactly once after Redis returns."""

import time
import uuid

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import SyncRun
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.consistency_checks import violations
from tests.workers.process_harness import ProcessHarness, Web
from tests.workers.redis_server import RedisServer
from tests.workers.waiting import until

pytestmark = pytest.mark.process
# Seconds: about one normally, and 40 when waiting for the broker; the limit in between allows for a busy machine.
AT_ONCE = 10.0

FAULTS = {
    "killed": (RedisServer.kill, RedisServer.start),
    "hung": (RedisServer.hang, RedisServer.go_on),
    "flushed": (RedisServer.flush, RedisServer.flush),
}


def click(web: Web, path: str, **data: str) -> str:
    """Return the URL that the browser is redirected to."""
    began = time.monotonic()
    answer = web.post(path, **data)
    took = time.monotonic() - began
    assert answer.status_code == 302, answer.text[:2000]
    assert took < AT_ONCE, (path, took)
    return answer.headers["Location"]


def synced_since(moment) -> bool:
    return SyncRun.objects.filter(state=SyncRun.State.COMPLETE, started_at__gt=moment).exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_clicks_are_answered_and_nothing_is_lost(fault, redis_harness: ProcessHarness, redis_server: RedisServer):
    harness, remote = redis_harness, redis_harness.remote
    bots = [remote.create_agent(name) for name in ("Support Bot", "Sales Bot", "Night Bot")]
    for at, bot in enumerate((0, 1, 1)):
        remote.import_number(f"+1555010000{at}", agent_id=bots[bot])
    remote.advance(10)
    assert sync_all() is not None
    since, history_since = remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    support, sales, night = (Agent.objects.get(remote_id=bot) for bot in bots)
    line = PhoneNumber.objects.get(bound_to=support.remote_id)
    web = harness.web()
    web.sign_in()
    remote.fault("GET", "/v1/convai/agents", "pause")
    worker, beat = harness.worker(), harness.beat()
    until(lambda: not remote.waiting_faults(), "a sync is under way")
    goes_wrong, is_well_again = FAULTS[fault]

    goes_wrong(redis_server)
    swap = {"key": str(uuid.uuid4()), "shown": line.bound_to, "agent": str(night.pk)}
    click(web, f"/admin/numbers/phonenumber/{line.pk}/assign/", **swap)
    op = Operation.objects.get(key=swap["key"])
    assert op.state == State.DONE, op.message
    retire = {"key": str(uuid.uuid4()), "deed": "move", "agent": str(night.pk)}
    click(web, f"/admin/numbers/phonenumber/delete-agent/{sales.pk}/", **retire)
    click(web, "/admin/mirror/syncrun/start/")
    if fault != "flushed":
        beat.wait_for("Message Error")
    remote.clear_faults()
    is_well_again(redis_server)

    again = timezone.now()
    until(lambda: synced_since(again), "a sync, after Redis came back")
    until(lambda: ChangeSet.objects.get().state == ChangeSet.State.DONE, "the change set is done")
    again = timezone.now()
    until(lambda: synced_since(again), "a sync over what the change set did")
    assert worker.process.poll() is None, worker.output
    kinds = [entry["kind"] for entry in remote.ledger(since)]
    assert sorted(kinds) == ["delete_agent", *["update_number"] * 3]
    harness.end()
    assert violations(remote, since=since, history_since=history_since) == []
