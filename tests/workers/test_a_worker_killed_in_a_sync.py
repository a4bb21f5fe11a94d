"""A worker is killed (SIGKILL) in the middle of a sync: no sync runs until its claim expires, then the next worker
takes over, and the mirror is correct: nothing is lost, wrongly marked as deleted, or recorded twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import SyncRun
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests.operations.consistency_checks import mirror_differs
from tests.workers.process_harness import ProcessHarness
from tests.workers.waiting import until

pytestmark = pytest.mark.process
SYNC = "numbers.tasks.sync"
NUMBERS = "/v1/convai/v2/phone-numbers"
# Where it is killed: the call that it waits for, and how many of these pass first.
POINTS = {
    "list of agents": ("/v1/convai/agents", 1),
    "details of an agent": ("/v1/convai/agents/agent_*", 1),
    "first page of numbers": (NUMBERS, 0),
    "second page of numbers": (NUMBERS, 1),
    "number that is not listed": ("/v1/convai/phone-numbers/phnum_*", 0),
}


def expire_the_claim() -> None:
    """This otherwise takes 90 s."""
    SyncRun.objects.filter(state=SyncRun.State.RUNNING).update(claimed_until=timezone.now() - timedelta(seconds=1))


def change_objects_in_the_console(harness: ProcessHarness) -> dict[str, str]:
    """{entry kind: remote id} of one object for each kind of change that a sync has to detect."""
    remote = harness.remote
    lines = list(PhoneNumber.objects.order_by("pk"))
    bots = list(Agent.objects.order_by("pk"))
    for bot in bots[:3]:
        remote.console("rename_agent", agent_id=bot.remote_id, name=f"{bot.name} (new)")
    remote.console("patch_number", number=lines[0].remote_id, patch={"label": "Night line"})
    remote.console("delete_number", number=lines[1].remote_id)
    added = remote.console("add_number", phone_number="+15550100199", label="New")
    remote.advance(10)
    return {
        "agent.changed": bots[0].remote_id,
        "number.changed": lines[0].remote_id,
        "number.gone": lines[1].remote_id,
        "number.added": added["phone_number_id"],
    }


def complete_runs() -> int:
    return SyncRun.objects.filter(state=SyncRun.State.COMPLETE).count()


@pytest.mark.parametrize(
    ("harness", "point"),
    [
        *(("redis", point) for point in POINTS),
        ("filesystem", "details of an agent"),
        *(pytest.param("filesystem", point, marks=pytest.mark.slow) for point in POINTS if "details" not in point),
    ],
    indirect=["harness"],
)
def test_the_next_worker_takes_over(point, harness: ProcessHarness):
    harness.environment["SYNC_INTERVAL_SECONDS"] = "0"  # every message is due: the test replaces beat
    harness.remote.reset(agents=4, numbers=120)
    assert sync_all() is not None
    changes = change_objects_in_the_console(harness)
    path, passing = POINTS[point]
    harness.remote.fault("GET", path, "pause", skip=passing)
    since = harness.remote.call_report()["last_id"]
    harness.deliver(SYNC)
    first = harness.worker()
    until(lambda: not harness.remote.waiting_faults(), "the sync is there")
    first.kill()
    dead = SyncRun.objects.get(state=SyncRun.State.RUNNING)
    harness.remote.clear_faults()
    assert len(harness.remote.calls(since, path=path)) in (passing + 1, passing + 2)  # details are read two at a time

    second = harness.worker()
    harness.deliver(SYNC)
    second.wait_for(f"{SYNC}[")  # "succeeded": taking a message is not enough
    assert SyncRun.objects.get(state=SyncRun.State.RUNNING) == dead, "its claim has not expired"
    expire_the_claim()
    for count in (2, 3):  # a deletion needs two complete runs
        harness.deliver(SYNC)
        until(lambda count=count: complete_runs() == count, "a complete run")
    assert second.stop() == 0, second.output

    assert SyncRun.objects.count() == 4, "the first, the killed one, and two: none during the claim"
    dead.refresh_from_db()
    assert dead.state == SyncRun.State.PARTIAL
    assert mirror_differs(harness.remote) == []
    assert list(PhoneNumber.objects.exclude(gone_at=None).values_list("remote_id", flat=True)) == [
        changes["number.gone"]
    ]
    for kind, remote_id in changes.items():
        assert Entry.objects.filter(kind=kind, object_id=remote_id).count() == 1, kind
