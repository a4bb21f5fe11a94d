"""A key without `user_read` cannot read its workspace. Then the known objects identify it, and a move is possible."""

import pytest

from agents.models import Agent
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, OutsideChange, SyncRun
from numbers.sync import sync_all
from tests.operations.clock import Clock

pytestmark = pytest.mark.django_db

NOT_ALLOWED = {
    "detail": {"status": "missing_permissions", "message": "The API key you used is missing the permission user_read."}
}


def run_over_all(clock: Clock) -> SyncRun:
    clock.remote.fault("GET", "/v1/user", "status", status=401, body=NOT_ALLOWED, times=9)
    run = sync_all()
    assert run is not None
    return run


def test_moving_to_another_workspace_takes_one_answer_and_brings_no_outside_changes(clock: Clock, admin_user):
    clock.remote.reset(agents=8)
    assert run_over_all(clock).state == SyncRun.State.COMPLETE
    old = set(Agent.objects.values_list("remote_id", flat=True))
    clock.remote.reset(agents=7, numbers=3)
    if old & {row["agent_id"] for row in clock.remote.get("/v1/convai/agents")["agents"]}:
        pytest.fail("the sandbox gave the same ids again")
    held = run_over_all(clock)
    assert held.state == SyncRun.State.HELD
    assert "another workspace" in held.problem
    assert set(Agent.objects.values_list("remote_id", flat=True)) == old

    assert holds.accept(Hold.objects.get(), actor=admin_user, name="admin")
    for _ in range(3):
        assert run_over_all(clock).state == SyncRun.State.COMPLETE
    assert set(Agent.objects.exclude(gone_at=None).values_list("remote_id", flat=True)) == old
    assert Agent.objects.filter(gone_at=None).count() == 7
    assert not OutsideChange.objects.exists()


def test_a_workspace_in_which_much_was_deleted_is_recognized_by_the_rest(clock: Clock):
    clock.remote.reset(agents=8)
    run_over_all(clock)
    for agent in Agent.objects.all()[:5]:
        clock.remote.console("delete_agent", agent_id=agent.remote_id)
    assert run_over_all(clock).state == SyncRun.State.COMPLETE
    assert run_over_all(clock).gone == 5
