"""If a new agent cannot be read after its creation, the history still names its creator, whichever write reads it."""

import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.mirror.models import OutsideChange
from controlplane.operations.models import State
from numbers.sync import sync_all
from tests import agent_writes as agents
from tests.operations.clock import recover
from tests.operations.consistency_checks import violations
from tests.operations.writes import PROMPT

pytestmark = pytest.mark.django_db

BODY = {"conversation_config": {"agent": {"prompt": {"prompt": "You wait."}}}}


@pytest.mark.parametrize(
    ("shown", "verdict"), [("You wait.", State.DONE), ("", State.NOT_SENT)], ids=["before it writes", "as it stops"]
)
def test_the_next_write_reads_it_first(shown, verdict, clock):
    sync_all()
    clock.remote.fault("GET", "/v1/convai/agents/*", "status", status=404)
    made = agents.create(name="Help Desk", body=BODY, key="create", actor=None)
    assert (made.state, made.observed) == (State.DONE, None)
    row = Agent.objects.get()
    assert row.remote_data == {}

    op = agents.update(row, values={PROMPT: "You help."}, shown={PROMPT: shown}, key="update", actor=None)

    assert op.state == verdict
    (added,) = Entry.objects.filter(kind="agent.added")
    assert (added.cause, added.cause_id) == (Entry.Cause.OPERATION, str(made.pk))
    assert not OutsideChange.objects.exists()
    recover(clock)
    assert violations(clock.remote) == []
