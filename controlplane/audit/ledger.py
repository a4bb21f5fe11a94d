"""Writes history entries, in the transaction of the change they record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from controlplane import bulk_insert
from controlplane.audit.models import Entry

SYSTEM = "system"  # the workers' actor name, for changes that no person requested


@dataclass(frozen=True)
class Cause:
    """Why something changed, and the user behind it."""

    kind: Entry.Cause
    id: str
    actor: User | None = None
    actor_name: str = SYSTEM
    reason: str = ""
    ticket: str = ""


def actor_label(actor: User | None) -> str:
    """The name under which the history keeps a person: "Ada Lovelace (ada)", or the user name alone."""
    if actor is None:
        return SYSTEM
    full = actor.get_full_name()
    return f"{full} ({actor.get_username()})" if full else actor.get_username()


def entry(
    kind: str,
    object_type: str,
    object_id: str,
    object_name: str,
    *,
    cause: Cause,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Entry:
    """An unsaved entry; `record` saves it."""
    return Entry(
        kind=kind,
        object_type=object_type,
        object_id=object_id,
        object_name=object_name,
        before=dict(before or {}),
        after=dict(after or {}),
        actor=cause.actor,
        actor_name=cause.actor_name,
        cause=cause.kind,
        cause_id=cause.id,
        reason=cause.reason,
        ticket=cause.ticket,
    )


def record(*entries: Entry) -> None:
    """Save entries. Raises `TransactionManagementError` outside a transaction."""
    connection = transaction.get_connection()
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("The ledger is written in the transaction of the change it tells.")
    bulk_insert.insert(entries)
