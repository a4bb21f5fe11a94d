"""If the key belongs to a different workspace than the mirrored one, nothing is written to it."""

import pytest

from controlplane.audit.models import Entry
from controlplane.elevenlabs import connect
from controlplane.mirror import holds, runs
from controlplane.mirror.models import Hold, SyncRun
from controlplane.mirror.runs import Lease
from controlplane.operations.models import State
from tests.operations.clock import Clock
from tests.operations.writes import WRITES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_sent_until_the_workspace_is_confirmed(name, clock: Clock, admin_user):
    ask = WRITES[name].set_up(clock)
    before = len(clock.remote.calls())
    lease = Lease(runs.start(clock.remote.url), connect())
    lease.end(SyncRun.State.HELD, holds.workspace(lease, here="api.elevenlabs.io/one", there="api.elevenlabs.io/two"))
    op = ask("first")
    assert op.state == State.NOT_SENT
    assert "opens another workspace (api.elevenlabs.io/two)" in op.message
    assert len(clock.remote.calls()) == before
    assert Entry.objects.filter(kind="hold.opened").count() == 1

    assert holds.accept(Hold.objects.get(), actor=admin_user, name="admin")
    assert ask("second").state == State.DONE
