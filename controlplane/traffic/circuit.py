"""A circuit breaker shared by all processes: pauses after 429 and outages, stops after a refused key.

No state is kept in the process: a response that one process got counts for the next request of every other one. So each
request checks the state with one line of SQL, in the statement that takes its slot: building a queryset would take ten
times as long as the database takes to answer.
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

PROBE_INTERVAL = timedelta(seconds=30)  # longer than a read can take, so there is one probe at a time
MAX_PAUSE_S = 60.0
MAX_STEPS = 7  # the seventh consecutive pause, doubled each time from one second, reaches that maximum
OUTAGE_ERRORS = (
    "SELECT 1 FROM traffic_circuit WHERE base_url = %s AND key_mark = %s AND (refused_since IS NOT NULL OR slowed > 0)"
)


@dataclass(frozen=True)
class Permit:
    """A request that may be sent. `probes`: it tests whether the key is valid again."""

    method: str
    probes: bool = False
    slowed: int = 0  # the row's value when it was read
    rests: bool = False  # sent during a pause, because it is urgent


def current_outage(remote: Remote) -> Question:
    """A query that finds a row if there is anything to check: see `check`."""
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
    """Whether this process gets the due probe: exactly one of several does. A write never probes: it would be sent only
    to be refused."""
    now = timezone.now()
    due = Circuit.objects.filter(pk=row.pk, probe_at=row.probe_at, probe_at__lte=now).exclude(refused_since=None)
    return bool(due.update(probe_at=now + PROBE_INTERVAL))


def refused() -> Circuit | None:
    """For the pages: the circuit of the configured key while the key is refused."""
    return Remote.of_settings().row().exclude(refused_since=None).first()


def record_result(remote: Remote, sent: Permit, error: ElevenLabsError | None) -> None:
    """Update the state from the result of a request. Never raises: the response is valid whether or not it can be
    recorded."""
    try:
        if isinstance(error, KeyRefused) and _is_about_the_key(sent, error):
            _open(remote, f"ElevenLabs says: {error.detail}" if error.detail else "")
        elif isinstance(error, Limited):
            _slow_down(remote, sent, error)
        elif sent.probes and _passed_authentication(error):
            _close(remote)
        elif error is None and sent.slowed and not sent.rests:
            _speed_up(remote, sent)
    except Error:
        log.exception("What ElevenLabs answered about key or pace could not be noted down.")


def _is_about_the_key(sent: Permit, error: KeyRefused) -> bool:
    """A missing permission leaves everything else open. A 401 to a write may be about Twilio credentials in its body;
    the read before the next write clears that up."""
    return not error.is_missing_permission and (sent.method == "GET" or "invalid_api_key" in error.codes)


def _passed_authentication(error: ElevenLabsError | None) -> bool:
    """Busy, broken or nonsensical responses, and a 422, are sent without checking the key."""
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
    """A `too_many_at_once` is over as soon as a request ends, so nothing is paused unless a time was given."""
    if error.kind == "too_many_at_once" and error.retry_after is None:
        return
    steps = min(sent.slowed + 1, MAX_STEPS)
    backoff = 2 ** (steps - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not cryptography
    pause = min(backoff if error.retry_after is None else error.retry_after, MAX_PAUSE_S)
    until = timezone.now() + timedelta(seconds=pause)
    _make_row(remote)
    row = remote.row()
    row.update(slowed=steps)
    row.filter(Q(paused_until=None) | Q(paused_until__lt=until)).update(paused_until=until)


def _speed_up(remote: Remote, sent: Permit) -> None:
    """One step back per success: some requests may be accepted while others still are not."""
    paused = remote.row().filter(slowed=sent.slowed, paused_until__lte=timezone.now())
    paused.update(slowed=sent.slowed - 1)


def _make_row(remote: Remote) -> None:
    Circuit.objects.bulk_create([Circuit(base_url=remote.base_url, key_mark=remote.key_mark)], ignore_conflicts=True)
