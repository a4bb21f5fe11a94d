"""Finds and unassigns numbers whose agent was deleted. An agent counts as deleted after 404 in two checks ten
minutes apart, with a complete listing in between and not suspiciously many of them."""

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
from controlplane.audit.justification import NO_JUSTIFICATION, Justification, require_justification
from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import BadShape, ElevenLabs, ElevenLabsError, Forbidden, NotFound, connect
from controlplane.mirror.models import SyncRun
from controlplane.mirror.upsert import Reading
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.models import State as OperationState
from controlplane.operations.run import CLICK_PATIENCE_S, actor_label
from numbers import actions, services
from numbers.models import PhoneNumber, State

log = logging.getLogger(__name__)

AUTOMATIC = "auto"  # the other value of ORPHAN_CLEANUP is "ask"
RECHECK_AFTER = timedelta(minutes=10)  # between the two checks of an agent: one 404 has been known to be a fault
MAX_SHOWN = 100
SINGLE_OBJECT_ERRORS = (
    Forbidden,
    BadShape,
)  # errors that say nothing about the next agent; after any other there is no use


class NotReleased(Exception):
    """Nothing was planned; the text says why."""


@dataclass(frozen=True)
class Orphan:
    """`dead` is its agent. `waits` says why it cannot be released yet, other than that ten minutes have to pass."""

    number: PhoneNumber
    dead: Agent
    waits: str
    tried: Operation | None  # a release that was planned and not done

    @property
    def dead_since(self) -> datetime | None:
        return min((at for at in (self.dead.missing_since, self.dead.gone_at) if at), default=None)

    @property
    def ready_from(self) -> datetime | None:
        """None until the agent was looked up a first time."""
        return self.dead.missing_since and self.dead.missing_since + RECHECK_AFTER

    @property
    def ready(self) -> bool:
        return not self.waits and self.ready_from is not None and self.ready_from <= timezone.now()


@dataclass(frozen=True)
class Proposal:
    """`hold` says why nothing at all may be released; `orphans` are the first of `count`."""

    count: int
    orphans: list[Orphan]
    hold: str

    @property
    def ready(self) -> list[Orphan]:
        return [] if self.hold else [orphan for orphan in self.orphans if orphan.ready]


@dataclass(frozen=True)
class Released:
    change_set: ChangeSet
    left_out: list[str]  # why, for each agent that was not found gone a second time and what else changed


def proposal() -> Proposal:
    found = PhoneNumber.objects.orphaned().with_state().select_related("agent")
    found = found.defer("remote_data", "agent__remote_data").order_by("phone_number", "pk")
    count = found.count()
    rows = list(found[: max(MAX_SHOWN, settings.ORPHAN_CLEANUP_MAX)])
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
    """Look the agents up a second time and plan the release of those of `wanted` (remote ids) whose agent is still
    gone. Raises `NotReleased` and `KeyReused`. The releases are the system's; `asked_by` is told in their reason."""
    asked = {"release orphans": sorted(wanted)}
    if first := change_sets.planned(key, asked):
        return Released(first, [])
    require_justification(justification, asked_by)  # before anything is looked up
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
    action_requests = [
        services.assign_request(
            orphan.number, None, shown=orphan.number.bound_to, justification=_why(orphan, asked_by, justification)
        )
        for orphan in chosen
    ]
    title = f"Unassign {len(chosen)} number{'s' if len(chosen) > 1 else ''} bound to agents that are gone"
    change_set = change_sets.plan(
        title, action_requests, asked=asked, key=key, actor=asked_by, by_system=True, justification=justification
    )
    return Released(change_set, left_out)


def clean_up(client: ElevenLabs | None = None) -> ChangeSet | None:
    """Give each dead agent its first check and, where the setting says so, release what is ready, all by itself."""
    offer = proposal()
    client = client or connect()
    _verify_agents([orphan.dead for orphan in offer.orphans if orphan.dead.missing_since is None], client)
    chosen = [orphan for orphan in offer.ready if orphan.tried is None]  # what went wrong once is for somebody to see
    if settings.ORPHAN_CLEANUP != AUTOMATIC or not chosen:
        return None
    wanted = [orphan.number.remote_id for orphan in chosen]
    try:
        return release(wanted, key=_key(chosen), asked_by=None, client=client).change_set
    except NotReleased as why:
        log.info("Orphans: %s", why)
        return None


def _key(orphans: Iterable[Orphan]) -> str:
    """The same for two workers that see the same numbers and deaths: they plan one change set."""
    deaths = [(orphan.number.remote_id, orphan.dead.remote_id, str(orphan.dead.missing_since)) for orphan in orphans]
    return f"orphans-{hashlib.sha256(json.dumps(sorted(deaths)).encode()).hexdigest()[:48]}"


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
    """{remote id: the newest release of this number in a change set, since its agent was found gone}."""
    dead = {number.remote_id: number.agent for number in numbers}
    steps = Operation.objects.filter(kind=actions.AssignNumber.name, object_id__in=dead, change_set__isnull=False)
    newest: dict[str, Operation] = {}
    for op in steps.select_related("change_set").order_by("id"):
        agent = dead[op.object_id]
        if agent is None or agent.gone_at is None or op.created_at < agent.gone_at:
            continue
        if op.params == {"agent_id": None, "shown": agent.remote_id}:
            newest[op.object_id] = op
    return newest


def _verify_agents(agents: Iterable[Agent], client: ElevenLabs) -> tuple[set[int], list[str]]:
    """GET each. (Those that are not there, why each other one was left out). One that answers is stored."""
    gone: set[int] = set()
    left_out: list[str] = []
    for agent in {agent.pk: agent for agent in agents}.values():
        reading = Reading(timezone.now())
        try:
            agent_mirror.upsert_row(client.get_agent(agent.remote_id).raw, Cause(Entry.Cause.SYNC, "orphans"), reading)
        except NotFound:
            agent_mirror.mark_missing(agent.remote_id)  # notes the first time only
            gone.add(agent.pk)
        except (ElevenLabsError, DataError) as error:
            left_out.append(f"Whether {agent} is gone could not be determined. {error}")
            if not isinstance(error, (*SINGLE_OBJECT_ERRORS, DataError)):
                break
        else:
            left_out.append(f"{agent} exists again, so its numbers are not orphaned.")
    return gone, left_out


def _why(orphan: Orphan, asked_by: User | None, justification: Justification) -> Justification:
    first = f"{orphan.dead.missing_since:%Y-%m-%d %H:%M:%S}"
    who = f"Requested by {actor_label(asked_by)}." if asked_by else "ORPHAN_CLEANUP is auto."
    found = f"Its agent {orphan.dead} is gone: not found at {first} UTC, and again at {timezone.now():%H:%M:%S}."
    return replace(justification, reason=" ".join(filter(None, [found, who, justification.reason])))
