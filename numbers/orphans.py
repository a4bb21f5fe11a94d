"""Finds and unassigns numbers whose agent was deleted.

An agent counts as deleted after two checks, ten minutes apart, have answered 404, with a complete listing in between.
Nothing is unassigned while suspiciously many numbers are orphaned.
"""

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DataError
from django.utils import timezone

from agents import mirror as agent_mirror
from agents.models import Agent
from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, Forbidden, NotFound, connect
from controlplane.mirror.models import SyncRun
from controlplane.mirror.readings import Reading
from controlplane.operations import change_sets
from controlplane.operations.change_sets import Step
from controlplane.operations.execute import CLICK_PATIENCE_S, ActionContext
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState
from numbers.actions import AssignNumber
from numbers.models import PhoneNumber, State

log = logging.getLogger(__name__)

AUTOMATIC = "auto"  # the other value of ORPHAN_CLEANUP is "ask"
RECHECK_AFTER = timedelta(minutes=10)  # between the two checks of an agent, because a single 404 may be a fault
MAX_SHOWN = 100
SINGLE_OBJECT_ERRORS = (Forbidden, BadShape)  # after any other error, reading the next agent would fail too


class NotReleased(Exception):
    """Nothing was planned; the message has the reason."""


@dataclass(frozen=True)
class Orphan:
    """A number whose agent (`dead`) was deleted.

    `waits` is a reason why it cannot be unassigned yet, other than the ten minutes that have to pass.
    """

    number: PhoneNumber
    dead: Agent
    waits: str
    tried: Operation | None  # the newest attempt to unassign it, if it failed

    @property
    def dead_since(self) -> datetime | None:
        return min((at for at in (self.dead.missing_since, self.dead.gone_at) if at), default=None)

    @property
    def ready_from(self) -> datetime | None:
        """None until the first check of the agent."""
        return self.dead.missing_since and self.dead.missing_since + RECHECK_AFTER

    @property
    def ready(self) -> bool:
        return not self.waits and self.ready_from is not None and self.ready_from <= timezone.now()


@dataclass(frozen=True)
class Proposal:
    """`hold` is a reason why nothing may be unassigned, or ""; `orphans` are the first of `count`."""

    count: int
    orphans: list[Orphan]
    hold: str

    @property
    def ready(self) -> list[Orphan]:
        return [] if self.hold else [orphan for orphan in self.orphans if orphan.ready]


@dataclass(frozen=True)
class Released:
    change_set: ChangeSet
    left_out: list[str]  # messages about agents that could not be confirmed as deleted, and other changes


def proposal() -> Proposal:
    numbers = PhoneNumber.objects.orphaned().with_state().select_related("agent")
    numbers = numbers.defer("remote_data", "agent__remote_data").order_by("phone_number", "pk")
    count = numbers.count()
    rows = list(numbers[: max(MAX_SHOWN, settings.ORPHAN_CLEANUP_MAX)])
    releases = _releases(rows)
    orphans = [_orphan(number, number.agent, releases.get(number.remote_id)) for number in rows if number.agent]
    return Proposal(count, orphans, _hold(count))


def release(
    wanted: Collection[str],
    *,
    key: str,
    asked_by: User | None,
    justification: Justification = NO_JUSTIFICATION,
    client: ElevenLabs | None = None,
) -> Released:
    """Check the agents a second time and plan to unassign those of `wanted` (remote ids) whose agent is still gone.

    The system is the actor of the steps; their reason names `asked_by`.
    Raises NotReleased, KeyReused and ReasonRequired.
    """
    request = {"release orphans": sorted(wanted)}
    if first := change_sets.planned(key, request):
        return Released(first, [])
    require_justification(justification, asked_by)  # before any request is sent
    offer = proposal()
    if offer.hold:
        raise NotReleased(offer.hold)
    chosen = [orphan for orphan in offer.ready if orphan.number.remote_id in wanted]
    gone, left_out = _verify_agents((orphan.dead for orphan in chosen), client or connect(patience=CLICK_PATIENCE_S))
    if len(chosen) < len(wanted):
        left_out.append(
            f"{len(wanted) - len(chosen)} of the numbers shown are not ready any more: they changed meanwhile."
        )
    chosen = [orphan for orphan in chosen if orphan.dead.pk in gone]
    if not chosen:
        raise NotReleased(" ".join(["Nothing was unassigned.", *left_out]))
    steps = [
        Step(
            AssignNumber.of(orphan.number, None, shown=orphan.number.bound_to),
            _with_reason(orphan, asked_by, justification),
        )
        for orphan in chosen
    ]
    title = f"Unassign {len(chosen)} number{'s' if len(chosen) > 1 else ''} bound to agents that are gone"
    context = ActionContext(key=key, actor=asked_by, justification=justification)
    change_set = change_sets.plan(title, steps, context, request=request, by_system=True)
    return Released(change_set, left_out)


def clean_up(client: ElevenLabs | None = None) -> ChangeSet | None:
    """Run the first check of each deleted agent and, if ORPHAN_CLEANUP is "auto", unassign the numbers that are ready.

    Returns the change set, or None if nothing was planned.
    """
    offer = proposal()
    client = client or connect()
    _verify_agents([orphan.dead for orphan in offer.orphans if orphan.dead.missing_since is None], client)
    chosen = [orphan for orphan in offer.ready if orphan.tried is None]  # a failed attempt is left to staff
    if settings.ORPHAN_CLEANUP != AUTOMATIC or not chosen:
        return None
    remote_ids = [orphan.number.remote_id for orphan in chosen]
    try:
        return release(remote_ids, key=_key(chosen), asked_by=None, client=client).change_set
    except NotReleased as error:
        log.info("Orphans: %s", error)
        return None


def _key(orphans: Iterable[Orphan]) -> str:
    """The same key for the same numbers and deleted agents, so that two workers plan a single change set."""
    parts = [(orphan.number.remote_id, orphan.dead.remote_id, str(orphan.dead.missing_since)) for orphan in orphans]
    return f"orphans-{hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()[:48]}"


def _hold(count: int) -> str:
    newest = SyncRun.objects.filter(ended_at__isnull=False).order_by("-id").first()
    if newest is None or newest.state != SyncRun.State.COMPLETE:
        return "Nothing is unassigned: the newest sync was not complete, so this list may be wrong. Wait for the next."
    if count > settings.ORPHAN_CLEANUP_MAX:
        return (
            f"Nothing is unassigned: {count} numbers are orphaned, more than the {settings.ORPHAN_CLEANUP_MAX} that "
            "may be unassigned at once. So many suggest a fault. Check their agents at ElevenLabs; then unassign or "
            "move them one by one, or raise ORPHAN_CLEANUP_MAX."
        )
    return ""


def _orphan(number: PhoneNumber, dead: Agent, last: Operation | None) -> Orphan:
    running = last is not None and last.change_set is not None and last.change_set.state == ChangeSet.State.RUNNING
    if running:
        waits = "is being unassigned"
    elif number.state == State.UNCONFIRMED:
        waits = "something is under way on it"
    elif number.state != State.ORPHANED:
        waits = "is not listed yet"
    elif number.missing_since is not None:
        waits = "ElevenLabs does not show it any more"
    else:
        waits = ""
    failed = last if last is not None and not running and last.state != OperationState.PLANNED else None
    return Orphan(number, dead, waits, failed)


def _releases(numbers: Sequence[PhoneNumber]) -> dict[str, Operation]:
    """{remote id: newest step of a change set that unassigned the number, since its agent was marked as deleted}."""
    agents = {number.remote_id: number.agent for number in numbers}
    steps = Operation.objects.filter(kind=AssignNumber.name, object_id__in=agents, change_set__isnull=False)
    newest: dict[str, Operation] = {}
    for op in steps.select_related("change_set").order_by("id"):
        agent = agents[op.object_id]
        if agent is None or agent.gone_at is None or op.created_at < agent.gone_at:
            continue
        if op.params == {"agent_id": None, "shown": agent.remote_id}:
            newest[op.object_id] = op
    return newest


def _verify_agents(agents: Iterable[Agent], client: ElevenLabs) -> tuple[set[int], list[str]]:
    """GET each agent. Returns (primary keys of those that answer 404, messages about the others).

    Agents that still exist are stored.
    """
    gone: set[int] = set()
    left_out: list[str] = []
    for agent in {agent.pk: agent for agent in agents}.values():
        reading = Reading(timezone.now())
        try:
            agent_mirror.upsert_row(client.get_agent(agent.remote_id), Cause(Entry.Cause.SYNC, "orphans"), reading)
        except NotFound:
            agent_mirror.mark_missing(agent.remote_id)  # keeps the time of the first check
            gone.add(agent.pk)
        except (ElevenLabsError, DataError) as error:
            left_out.append(f"Whether {agent} is gone could not be determined. {error}")
            if not isinstance(error, (*SINGLE_OBJECT_ERRORS, DataError)):
                break
        else:
            left_out.append(f"{agent} exists again, so its numbers are not orphaned.")
    return gone, left_out


def _with_reason(orphan: Orphan, asked_by: User | None, justification: Justification) -> Justification:
    first = f"{orphan.dead.missing_since:%Y-%m-%d %H:%M:%S}"
    who = f"Requested by {ledger.actor_label(asked_by)}." if asked_by else "ORPHAN_CLEANUP is auto."
    evidence = f"Its agent {orphan.dead} is gone: not found at {first} UTC, and again at {timezone.now():%H:%M:%S}."
    return replace(justification, reason=" ".join(filter(None, [evidence, who, justification.reason])))
