"""What every mirrored remote object has, and the runs that keep the picture true."""

import json
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class RemoteObject(models.Model):
    """A row that mirrors one object of the remote.

    A row whose remote object is gone stays as a tombstone (`gone_at`). `missing_since` is the first complete
    run that did not list it, or the check of a write that found nothing, while we are not sure yet. When it was
    seen last is told by the newest complete run, so that an unchanged row costs no write.
    """

    object_type: ClassVar[str]

    remote_id = models.CharField("ID", max_length=64, unique=True)
    remote_data = models.JSONField(default=dict, blank=True)  # the remote's own JSON, whole
    first_seen = models.DateTimeField(default=timezone.now)
    missing_since = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def id_suffix(self) -> str:
        """The last four of the id: what tells two objects of one name apart."""
        return "…" + self.remote_id[-4:]

    @property
    def pretty_data(self) -> str:
        return json.dumps(self.remote_data, indent=2, ensure_ascii=False)

    def display_name(self) -> str:
        raise NotImplementedError

    def told(self) -> dict[str, Any]:
        """What the ledger compares and tells: {path: value}."""
        raise NotImplementedError


class SyncRun(models.Model):
    """One listing of the remote."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        PARTIAL = "partial", "partial"

    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now, db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(default=timezone.now)  # while it runs: later than this, its worker is dead
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    problem = models.TextField(blank=True)  # why it is partial
    workspace = models.CharField(max_length=64, blank=True)  # empty where the key may not read it
    calls = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    waited_ms = models.PositiveIntegerField("waited on the remote, ms", default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="one_running_sync")
        ]

    def __str__(self) -> str:
        return f"Sync {self.pk}: {self.get_state_display()}"
