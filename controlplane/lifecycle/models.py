"""Reports, and the requests of each run, by which it is cleaned up after a crash."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from controlplane.operations.models import Operation

MAX_REPORTS = 50  # older reports are deleted when a new run starts


class Report(models.Model):
    """One run. `data` is the full report as the command writes it to a file: see `report.py`."""

    class State(models.TextChoices):
        RUNNING = "running", "not ended"
        AS_ASSUMED = "as_assumed", "as expected"
        OTHERWISE = "otherwise", "unexpected"
        BROKEN_OFF = "broken_off", "aborted"

    state = models.CharField(max_length=12, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    base_url = models.CharField(max_length=200)
    workspace = models.CharField(max_length=64, blank=True)  # empty if the key may not read it
    actor_name = models.TextField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Lifecycle of {self.started_at:%d %b %Y, %H:%M} UTC"

    def to_remove(self) -> models.QuerySet[Asked]:
        """The requests whose object, if one was created, is still to be removed."""
        return self.asked.filter(removed_at=None, forgotten_at=None).exclude(makes="")


class Asked(models.Model):
    """The idempotency key under which a run requests one write, committed before the operation. No one else knows the
    key, so whatever an operation with this key created belongs to the run, even if its process died."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="asked")
    key = models.CharField(max_length=64, unique=True)
    makes = models.CharField(max_length=10, blank=True)  # "agent", "number", or nothing
    name = models.TextField(blank=True)  # of the object to be created
    removed_at = models.DateTimeField(null=True, blank=True)  # when the created object was removed from the remote
    forgotten_at = models.DateTimeField(null=True, blank=True)  # when a user decided to leave the object there
    forgotten_by = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.makes or 'write'} {self.name} {self.key}"

    @property
    def operation(self) -> Operation | None:
        """None if the process ended before the operation was committed: then nothing was sent."""
        return Operation.objects.filter(key=self.key).first()
