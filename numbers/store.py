"""How the remote's JSON of a phone number becomes a row."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import BadShape, unstorable
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror import store
from numbers.models import PhoneNumber

FIRST_POLL = timedelta(seconds=1)
LONGEST_ID = 64


def keep(data: dict[str, Any], cause: Cause, *, listed: bool = False) -> bool:
    """Store one number as GET, PATCH or a listing (`listed`) showed it. The agent must be mirrored before.

    Raises BadShape for what no database keeps.
    """
    number = RemoteNumber.parse(data)
    row = PhoneNumber.objects.filter(remote_id=number.phone_number_id).first() or PhoneNumber(
        remote_id=number.phone_number_id
    )
    return keep_row(row, number, cause, agent=_agent(number.agent_id), listed=listed)


def keep_row(row: PhoneNumber, number: RemoteNumber, cause: Cause, *, agent: Agent | None, listed: bool) -> bool:
    if why := _unstorable(number):
        raise BadShape(f"A number cannot be kept: {why}.")
    values: dict[str, Any] = {
        "phone_number": number.phone_number,
        "label": number.label,
        "provider": number.provider,
        "bound_to": number.agent_id or "",
        "agent_id": agent.pk if agent else None,
        "supports_inbound": number.supports_inbound,
        "remote_data": number.raw,
        "missing_since": None,
        "gone_at": None,
    }
    if listed and row.listed_at is None:
        values |= {"listed_at": timezone.now(), "poll_at": None}
    return store.save(row, values, cause=cause)


def keep_import(object_id: str, wanted: dict[str, Any], data: dict[str, Any] | None, cause: Cause) -> None:
    """Store a number whose import was just accepted: it is propagating until a listing shows it."""
    row = PhoneNumber.objects.filter(remote_id=object_id).first()
    if row is None:
        now = timezone.now()
        row = PhoneNumber(remote_id=object_id, imported_at=now, poll_at=now + FIRST_POLL)
    if data is not None:
        number = RemoteNumber.parse(data)
        keep_row(row, number, cause, agent=_agent(number.agent_id), listed=False)
    else:
        agent = _agent(wanted.get("agent_id"))
        values = {
            "phone_number": wanted["phone_number"],
            "label": wanted["label"],
            "provider": "twilio",
            "bound_to": wanted.get("agent_id") or "",
            "agent_id": agent.pk if agent else None,
        }
        store.save(row, values, cause=cause)


def missing(object_id: str) -> None:
    """A GET found nothing. Lists say so from now on; whether it is gone is decided by syncs. Nothing to tell."""
    PhoneNumber.objects.here().filter(remote_id=object_id, missing_since=None).update(missing_since=timezone.now())


def bury(object_id: str, cause: Cause) -> bool:
    row = PhoneNumber.objects.filter(remote_id=object_id).first()
    return row is not None and store.bury(row, {"agent_id": None, "bound_to": "", "poll_at": None}, cause=cause)


def _unstorable(number: RemoteNumber) -> str | None:
    if len(number.agent_id or "") > LONGEST_ID:
        return f"the id of its agent is longer than {LONGEST_ID} characters"  # SQLite would keep it, PostgreSQL not
    return unstorable(number.raw)


def _agent(remote_id: str | None) -> Agent | None:
    return Agent.objects.filter(remote_id=remote_id).first() if remote_id else None
