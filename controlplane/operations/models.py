"""Operations and change sets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.mirror.readings import Reading


class State(models.TextChoices):
    """The states of an operation. All but `planned`, `intent` and `sent` are verdicts and final."""

    PLANNED = "planned", "planned"
    INTENT = "intent", "being checked"
    SENT = "sent", "unconfirmed"
    DONE = "done", "done"
    REFUSED = "refused", "refused"
    NOT_SENT = "not_sent", "not sent"
    NOT_APPLIED = "not_applied", "not applied"
    OVERTAKEN = "overtaken", "overtaken"


OPEN_STATES = (State.INTENT, State.SENT)


class Evidence(models.TextChoices):
    """How a verdict is known."""

    CHECKED = "checked", "Read from ElevenLabs before sending."
    NOT_READ = "not_read", "Nothing was sent."
    NOT_RECORDED = "not_recorded", "No request was recorded."
    NEVER_LEFT = "never_left", "The request never left this machine."
    ANSWERED = "answered", "ElevenLabs answered the request."
    READ_BACK = "read_back", "Read back from ElevenLabs."


class ChangeSet(models.Model):
    """Operations that are planned and confirmed together, and run in order by a worker."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        STOPPED = "stopped", "stopped"

    key = models.CharField(max_length=64, unique=True)
    title = models.TextField()
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    problem = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.TextField()
    reason = models.TextField(blank=True)
    ticket = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(default=timezone.now)  # a worker holds it until then

    class Meta:
        ordering = ["-id"]
        permissions = [("resume_changeset", "Can resume stopped change sets")]

    def __str__(self) -> str:
        return self.title


class Operation(models.Model):
    """One requested write: intent, lock, idempotency key and recovery record in one row."""

    key = models.CharField(max_length=64, unique=True, default=uuid.uuid4)  # from the rendered form
    kind = models.CharField(max_length=40, db_index=True)
    resource = models.CharField(max_length=120)  # what it locks while it is open
    fingerprint = models.CharField(max_length=64)  # of kind, resource and params: one key is valid for one request
    state = models.CharField(max_length=12, choices=State.choices, default=State.INTENT)

    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64, blank=True)  # empty until the remote has assigned one
    display_names = models.JSONField(default=dict)  # of the objects involved, as the page showed them
    title = models.TextField()  # the request, in one sentence
    params = models.JSONField(default=dict)  # never a secret
    before = models.JSONField(null=True, blank=True)  # read from the remote just before sending
    observed = models.JSONField(null=True, blank=True)  # read from the remote after sending
    not_kept = models.JSONField(default=list, blank=True)  # fields to which the remote gave another value

    message = models.TextField(blank=True)  # what happened, for staff
    error_fields = models.JSONField(default=list, blank=True)  # names or paths of the fields that were refused
    reason_code = models.CharField(max_length=40, blank=True)  # why it did not succeed, for programs
    evidence = models.CharField(max_length=20, blank=True, choices=Evidence.choices)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    trace_id = models.CharField(max_length=80, blank=True)
    milliseconds = models.PositiveIntegerField(null=True, blank=True)

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.TextField()
    reason = models.TextField(blank=True)
    ticket = models.CharField(max_length=100, blank=True)
    undoes = models.ForeignKey(Entry, null=True, blank=True, on_delete=models.SET_NULL, related_name="undone_by")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    settle_at = models.DateTimeField(null=True, blank=True)  # when to read the remote back next
    ended_at = models.DateTimeField(null=True, blank=True)
    late_at = models.DateTimeField(null=True, blank=True)  # when a sync saw it take effect after all

    change_set = models.ForeignKey(ChangeSet, null=True, blank=True, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        permissions = [("settle_operation", "Can check unconfirmed operations now")]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="operation_of_object"),
            models.Index(fields=["state", "resource"], name="operation_in_state"),  # SQLite does not use a partial one
            models.Index(fields=["settle_at"], condition=models.Q(state="sent"), name="operation_to_settle"),
        ]
        constraints = [
            # The lock: one open operation per resource, on SQLite and PostgreSQL.
            models.UniqueConstraint(
                fields=["resource"], condition=models.Q(state__in=["intent", "sent"]), name="one_open_operation"
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def cause(self) -> Cause:
        """The cause of a change that the operation made."""
        return Cause(Entry.Cause.OPERATION, str(self.pk), self.actor, self.actor_name, self.reason, self.ticket)

    @property
    def external_cause(self) -> Cause:
        """The cause of a difference that the operation observed but did not make."""
        return Cause(Entry.Cause.SYNC, f"operation {self.pk}")

    def reading(self) -> Reading:
        """For what is about to be read. A creation locks a name instead of the object."""
        return Reading(timezone.now(), self.pk, has_lock=self.resource == f"{self.object_type}:{self.object_id}")

    @property
    def evidence_text(self) -> str:
        """The evidence as a sentence."""
        if self.evidence == Evidence.READ_BACK and self.ended_at is not None:
            return f"Read back from ElevenLabs at {self.ended_at:%H:%M:%S} UTC."
        return self.get_evidence_display() if self.evidence else ""

    def update_from(self, values: Mapping[str, Any]) -> None:
        """Take over values that an UPDATE has just written."""
        for name, value in values.items():
            setattr(self, name, value)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def is_unconfirmed(self) -> bool:
        return self.state == State.SENT
