"""Every message is delivered three times, to two workers, and again at the end: everything is done exactly once."""

import pytest
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.operations.models import ChangeSet, Operation, State
from numbers.models import PhoneNumber
from numbers.sync import sync_all
from tests import number_writes as services
from tests.operations.consistency_checks import violations
from tests.operations.writes import CREDENTIALS
from tests.workers.process_harness import ProcessHarness, on_both_brokers
from tests.workers.waiting import until

pytestmark = pytest.mark.process
TASKS = {
    name: f"message-{at}"
    for at, name in enumerate(
        [
            "controlplane.operations.tasks.settle",
            "controlplane.operations.tasks.run_change_sets",
            "numbers.tasks.poll_imports",
            "numbers.tasks.sync",
        ]
    )
}


def deliver_all(harness: ProcessHarness) -> None:
    for task, task_id in TASKS.items():
        harness.deliver(task, times=3, task_id=task_id)


@on_both_brokers
def test_everything_is_done_once(harness: ProcessHarness):
    remote = harness.remote
    leaving, heir = remote.create_agent("Support Bot"), remote.create_agent("Sales Bot")
    for at in range(4):
        remote.import_number(f"+1555010012{at}", agent_id=leaving)
    remote.import_number("+15550100130", "Spare")
    remote.advance(10)
    assert sync_all() is not None
    since, history_since = remote.ledger()[-1]["id"], Entry.objects.latest("pk").pk
    support, sales = Agent.objects.get(remote_id=leaving), Agent.objects.get(remote_id=heir)
    # Every task has something to do: an unconfirmed write, a plan, an import that is not listed yet.
    remote.fault("PATCH", "/v1/convai/phone-numbers/*", "status", status=500, when="after")
    lost = services.set_label(PhoneNumber.objects.get(label="Spare"), "Front", shown="Spare", key="lost", actor=None)
    assert lost.state == State.SENT
    Operation.objects.update(settle_at=timezone.now())
    services.delete_agent_with_numbers(support, sales, key="set", actor=None)
    services.import_number("+15550100140", label="New", credentials=CREDENTIALS, key="import", actor=None)
    remote.advance(10)
    PhoneNumber.objects.filter(listed_at=None).update(poll_at=timezone.now())

    deliver_all(harness)
    workers = [harness.worker(), harness.worker("-n", "worker@second")]
    until(lambda: ChangeSet.objects.get().state == ChangeSet.State.DONE, "the change set is done")
    until(lambda: not Operation.objects.exclude(state=State.DONE).exists(), "each operation is done")
    until(lambda: not PhoneNumber.objects.existing().filter(listed_at=None).exists(), "the import is listed")
    harness.until_all_messages_are_taken()
    deliver_all(harness)
    harness.until_all_messages_are_taken()
    for worker in workers:
        assert worker.stop() == 0, worker.output  # a worker completes its tasks before it stops

    kinds = [entry["kind"] for entry in remote.ledger(since)]
    assert sorted(kinds) == ["delete_agent", "import_number", *["update_number"] * 5]
    assert sync_all() is not None
    assert violations(remote, since=since, history_since=history_since) == []
