"""A circuit breaker shared by all processes: pauses after 429 and outages, stops after a refused key.

No memory in the process: an answer that one process got holds for the next request of every other one. So each
request asks, by one line of SQL in the statement that takes its slot: a query set would take ten times as long to
build as the database takes to answer.
"""

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from controlplane.elevenlabs import ElevenLabsError, Forbidden, KeyRefused, Limited, NotFound, Outcome
from controlplane.traffic.locks import Question
from controlplane.traffic.models import Circuit, Remote

log = logging.getLogger(__name__)

PROBE_INTERVAL = timedelta(seconds=30)  # longer than a read may take, so there is one at a time
MAX_PAUSE_S = 60.0
MAX_STEPS = 7  # the seventh pause in a row, doubled each time from one second, is as long as that
OUTAGE_ERRORS = (
    "SELECT 1 FROM traffic_circuit WHERE base_url = %s AND key_mark = %s AND (refused_since IS NOT NULL OR slowed > 0)"
)


@dataclass(frozen=True)
class Permit:
    """A request that may be sent. `probes`: to find out whether the key is good again."""

    method: str
    probes: bool = False
    slowed: int = 0  # as the row said
    rests: bool = False  # it goes though others rest, because it is urgent


def current_outage(remote: Remote) -> Question:
    """Finds a row where there is something to look at: see `admit`."""
    return OUTAGE_ERRORS, [remote.base_url, remote.key_mark]


def check(remote: Remote, method: str, *, urgent: bool) -> Permit:
    """Raises `KeyRefused` or `Limited`, with the outcome NOT_SENT."""
    row = remote.row().first()
    if row is None:
        return Permit(method)
    if row.refused_since is not None:
        if method == "GET" and _claims_probe(row):
            return Permit(method, probes=True)
        raise KeyRefused(row.refusal, outcome=Outcome.NOT_SENT)
    if row.rests and not urgent:
        raise Limited(
            "ElevenLabs has asked for fewer requests, so nothing was sent. Try again in a minute.",
            retry_after=row.rests,
            outcome=Outcome.NOT_SENT,
        )
    return Permit(method, slowed=row.slowed, rests=row.rests > 0)


def _claims_probe(row: Circuit) -> bool:
    """One of all who see that it is due gets it. A write never probes: it would be sent and refused for nothing."""
    now = timezone.now()
    mine = Circuit.objects.filter(pk=row.pk, probe_at=row.probe_at, probe_at__lte=now).exclude(refused_since=None)
    return bool(mine.update(probe_at=now + PROBE_INTERVAL))


def refused() -> Circuit | None:
    """For the pages: what is known of the key of the settings, while it is refused."""
    return Remote.of_settings().row().exclude(refused_since=None).first()


def record_result(remote: Remote, sent: Permit, error: ElevenLabsError | None) -> None:
    """From the outcome of a request. Never raises: an answer stands, whether or not it can be noted down."""
    try:
        if isinstance(error, KeyRefused) and _is_about_the_key(sent, error):
            _open(remote, str(error).removeprefix("ElevenLabs refused the API key.").strip())
        elif isinstance(error, Limited):
            _slow_down(remote, sent, error)
        elif sent.probes and _was_let_in(error):
            _close(remote)
        elif error is None and sent.slowed and not sent.rests:
            _speed_up(remote, sent)
    except Error:
        log.exception("What ElevenLabs answered about key or pace could not be noted down.")


def _is_about_the_key(sent: Permit, error: KeyRefused) -> bool:
    """A missing permission leaves the rest open. A 401 to a write may be about credentials of Twilio in its body;
    the read that goes before the next write tells."""
    return not error.lacks_a_permission and (sent.method == "GET" or "invalid_api_key" in error.codes)


def _was_let_in(error: ElevenLabsError | None) -> bool:
    """Busy, broken or senseless answers, and a 422, are given without a look at the key."""
    return error is None or isinstance(error, NotFound | Forbidden | KeyRefused) or error.status == 402


def _open(remote: Remote, reason: str) -> None:
    now = timezone.now()
    _make_row(remote)
    remote.row().update(
        refused_since=Coalesce("refused_since", now), reason=reason[:500], probe_at=now + PROBE_INTERVAL
    )
    log.warning("ElevenLabs refuses the key: nothing is sent but a probe each %d s.", PROBE_INTERVAL.total_seconds())


def _close(remote: Remote) -> None:
    if remote.row().exclude(refused_since=None).update(refused_since=None, reason=""):
        log.warning("ElevenLabs takes the key again.")


def _slow_down(remote: Remote, sent: Permit, error: Limited) -> None:
    """Too many at once is over as soon as one of them ends, so it holds nobody else up unless a time was named."""
    if error.kind == "too_many_at_once" and error.retry_after is None:
        return
    steps = min(sent.slowed + 1, MAX_STEPS)
    own = 2 ** (steps - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, hides nothing
    pause = min(own if error.retry_after is None else error.retry_after, MAX_PAUSE_S)
    until = timezone.now() + timedelta(seconds=pause)
    _make_row(remote)
    row = remote.row()
    row.update(slowed=steps)
    row.filter(Q(paused_until=None) | Q(paused_until__lt=until)).update(paused_until=until)


def _speed_up(remote: Remote, sent: Permit) -> None:
    """One step back for each success: some requests may be welcome while others still are not."""
    over = remote.row().filter(slowed=sent.slowed, paused_until__lte=timezone.now())
    over.update(slowed=sent.slowed - 1)


def _make_row(remote: Remote) -> None:
    Circuit.objects.bulk_create([Circuit(base_url=remote.base_url, key_mark=remote.key_mark)], ignore_conflicts=True)
