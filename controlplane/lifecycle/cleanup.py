"""Remove what a run made, and nothing else: also after Ctrl-C or a crash, from the committed records alone."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from agents import services as agents
from agents import store as agent_store
from agents.models import Agent
from controlplane.audit.why import NotSaid
from controlplane.elevenlabs import ElevenLabsError, NotFound
from controlplane.lifecycle.asking import Asker, asked_ids, close_dead, found_words
from controlplane.lifecycle.models import Asked
from controlplane.operations.journal import Expired, Held, seen_beside
from controlplane.operations.models import Operation, State
from numbers import services as numbers
from numbers import store as number_store
from numbers.models import PhoneNumber

NOTHING_MADE = (State.REFUSED, State.NOT_SENT, State.NOT_APPLIED)
SEEN_WITHIN = 60.0  # seconds in which an import that cannot be seen yet is tried again
TRY_EVERY = 2.0

Tell = Callable[[str], object]


class NotOurs(Exception):
    """Somebody uses it by now, so it is left as it is."""


@dataclass(frozen=True)
class Left:
    """Something that was made and could not be removed, or of which that is not known."""

    what: str
    name: str
    object_id: str
    why: str
    elsewhere: bool = False  # at another remote, or in another workspace, than the configured one

    def __str__(self) -> str:
        return f"{self.what} {self.name} {self.object_id or '(id unknown)'}: {self.why}"


def clean_up(asker: Asker, tell: Tell) -> list[Left]:
    """Everything that the asker's run made. Numbers go first: an agent that answers one is not deleted."""
    for asked in asker.report.asked.all():
        op = asked.operation
        if op is not None and op.is_open:
            tell(f"Looking up what became of: {op.title}")
            asker.decided(close_dead(op))
    made = asker.report.asked.filter(removed_at=None, forgotten_at=None).exclude(makes="").order_by("-makes", "id")
    left = [remove(asker, asked, tell) for asked in made]
    return [one for one in left if one is not None]


def remove(asker: Asker, asked: Asked, tell: Tell) -> Left | None:
    op = asked.operation
    if op is None or (not op.object_id and op.state in NOTHING_MADE):
        return None
    if not op.object_id:
        return Left(asked.makes, asked.name, "", found_words(op))
    tell(f"Removing the {asked.makes} {asked.name} {op.object_id}")
    try:
        removal = _number(asker, op) if asked.makes == "number" else _agent(asker, op)
    except (ElevenLabsError, NotOurs, Held, Expired, NotSaid) as trouble:
        return Left(asked.makes, asked.name, op.object_id, str(trouble) or "It took too long to check.")
    if removal is None or removal.state == State.DONE:
        asked.removed_at = timezone.now()
        asked.save(update_fields=["removed_at"])
        return None
    return Left(asked.makes, asked.name, op.object_id, found_words(removal))


def _number(asker: Asker, op: Operation) -> Operation | None:
    waited = 0.0
    while True:
        there, removal = _try_number(asker, op)
        if removal is None or removal.state != State.NOT_SENT or there or waited >= SEEN_WITHIN:
            return removal
        asker.pause(TRY_EVERY)  # an import that is in no list yet, and not found by its id either
        waited += TRY_EVERY


def _try_number(asker: Asker, op: Operation) -> tuple[bool, Operation | None]:
    """(is it there by its id?, its removal). None where it is not there, and no row here tells of it."""
    try:
        there = asker.client.get_number(op.object_id)
    except NotFound:
        there = None
    bound = there.agent_id if there else None
    if bound and bound not in asked_ids(asker.report, "agent") and _lives(asker, bound):
        raise NotOurs("It was assigned to another agent meanwhile, so it is left as it is.")
    row = PhoneNumber.objects.filter(remote_id=op.object_id).first()
    if row is None and there is not None:
        number_store.keep(there.raw, seen_beside(op))
        row = PhoneNumber.objects.get(remote_id=op.object_id)
    if row is None:
        return False, None
    line = row
    return there is not None, asker.ask(lambda said: numbers.remove(line, shown=bound or "", **said))


def _agent(asker: Asker, op: Operation) -> Operation | None:
    row = Agent.objects.filter(remote_id=op.object_id).first()
    if row is None:
        try:
            agent_store.keep(asker.client.get_agent(op.object_id).raw, seen_beside(op))
        except NotFound:
            return None
        row = Agent.objects.get(remote_id=op.object_id)
    agent = row
    return asker.ask(lambda said: agents.delete(agent, **said))


def _lives(asker: Asker, agent_id: str) -> bool:
    try:
        asker.client.get_agent(agent_id)
    except NotFound:
        return False
    return True
