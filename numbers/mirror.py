"""Turns ElevenLabs' JSON of a phone number into its row."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import BadShape, unstorable
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror import upsert
from controlplane.mirror.readings import Reading
from numbers.models import PhoneNumber

MAX_ID_CHARS = 64
MAX_PROVIDER_CHARS = 40
MAX_ENVIRONMENT_CHARS = 300
# Set, besides `gone_at`, when a number is marked as deleted.
GONE_VALUES: dict[str, Any] = {"agent": None, "bound_to": "", "branch_id": "", "environment": "", "poll_at": None}


def is_current(number: RemoteNumber) -> bool:
    """Whether the row has this JSON, and its agent if that is mirrored."""
    rows = PhoneNumber.objects.existing().filter(remote_id=number.phone_number_id, missing_since=None)
    return rows.filter(digest=upsert.digest(number.raw) or None).exclude(agent=None, bound_to__gt="").exists()


@transaction.atomic(savepoint=False)
def upsert_row(number: RemoteNumber, cause: Cause, reading: Reading | None = None, *, listed: bool = False) -> bool:
    """Store one number as returned by GET, PATCH or a listing (`listed`). Its agent has to be mirrored already.

    Raises BadShape for data that no database can store.
    """
    if reason := unstorable(number.raw):
        raise BadShape(f"A number cannot be kept: {reason}.")
    row = upsert.row_of(PhoneNumber, number.phone_number_id)
    # Both in one query: the history names the one before, too. `bound_to` may name an agent without a row.
    found = Agent.objects.defer("remote_data").filter(remote_id__in=filter(None, {row.bound_to, number.agent_id}))
    agents = {agent.remote_id: agent for agent in found}
    if row.bound_to in agents and row.agent_id == agents[row.bound_to].pk:
        row.agent = agents[row.bound_to]
    values = row_values(row, number, agent=agents.get(number.agent_id or ""), listed=listed)
    return upsert.save(row, values, cause=cause, reading=reading)


def row_values(row: PhoneNumber, number: RemoteNumber, *, agent: Agent | None, listed: bool) -> dict[str, Any]:
    """{field: value} for the number's row. Raises BadShape if an id is too long for its column."""
    if len(number.agent_id or "") > MAX_ID_CHARS:  # SQLite would store it, PostgreSQL would not
        raise BadShape(f"A number cannot be kept: the id of its agent is longer than {MAX_ID_CHARS} characters.")
    if len(number.branch_id or "") > MAX_ID_CHARS:
        raise BadShape(f"A number cannot be kept: the id of its branch is longer than {MAX_ID_CHARS} characters.")
    values: dict[str, Any] = {
        "phone_number": number.phone_number,
        "label": number.label,
        "provider": number.provider[:MAX_PROVIDER_CHARS],  # `remote_data` has the full value
        "bound_to": number.agent_id or "",
        "agent": agent,
        "branch_id": number.branch_id or "",
        "environment": (number.environment or "")[:MAX_ENVIRONMENT_CHARS],
        "supports_inbound": number.supports_inbound,
        "remote_data": number.raw,
        "missing_since": None,
        "gone_at": None,
    }
    if listed and row.listed_at is None:
        values |= {"listed_at": timezone.now(), "poll_at": None, "gave_up_at": None}
    return values


@transaction.atomic(savepoint=False)
def upsert_import(
    object_id: str, number: RemoteNumber | None, requested: Mapping[str, Any], cause: Cause, reading: Reading
) -> None:
    """Store a number whose import was just accepted. It is propagating until a listing shows it.

    `requested` has its phone_number, label and agent_id, for the case that it could not be read yet.
    """
    row = upsert.row_of(PhoneNumber, object_id)
    if row._state.adding:
        row.imported_at = row.poll_at = timezone.now()
    if number is not None:
        values = row_values(row, number, agent=_agent(number.agent_id), listed=False)
    else:
        values = {
            "phone_number": requested["phone_number"],
            "label": requested["label"],
            "provider": "twilio",
            "bound_to": requested["agent_id"] or "",
            "agent": _agent(requested["agent_id"]),
        }
    upsert.save(row, values, cause=cause, reading=reading)


def mark_missing(object_id: str) -> None:
    """Record that a GET answered 404. Lists show it from now on; syncs decide whether the number is deleted.

    No history entry is written.
    """
    PhoneNumber.objects.existing().filter(remote_id=object_id, missing_since=None).update(missing_since=timezone.now())


@transaction.atomic(savepoint=False)
def mark_gone(object_id: str, cause: Cause) -> bool:
    return upsert.mark_gone(upsert.row_of(PhoneNumber, object_id), GONE_VALUES, cause=cause)


def _agent(remote_id: str | None) -> Agent | None:
    return Agent.objects.filter(remote_id=remote_id).first() if remote_id else None
