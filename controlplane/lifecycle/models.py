"""Reports, and the requests of each run, by which it is cleaned up after a crash."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from controlplane.operations.models import Operation

MAX_REPORTS = 50  # reports; older ones go when a new run begins


class Report(models.Model):
    """One run. `data` is all that it tells, as the command writes it into a file: see `report.py`."""

    class State(models.TextChoices):
        RUNNING = "running", "not ended"
        AS_ASSUMED = "as_assumed", "as expected"
        OTHERWISE = "otherwise", "unexpected"
        BROKEN_OFF = "broken_off", "aborted"

    state = models.CharField(max_length=12, choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    base_url = models.CharField(max_length=200)
    workspace = models.CharField(max_length=64, blank=True)  # empty where the key may not tell
    actor_name = models.TextField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Lifecycle of {self.started_at:%d %b %Y, %H:%M} UTC"


class Asked(models.Model):
    """Committed before its operation is: under this key, which nobody else knows, a run asks for one write. So what an
    operation with this key made is the run's own work, whatever became of the process."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="asked")
    key = models.CharField(max_length=64, unique=True)
    makes = models.CharField(max_length=10, blank=True)  # "agent", "number", or nothing
    name = models.TextField(blank=True)  # of what it makes
    removed_at = models.DateTimeField(null=True, blank=True)  # what it made is gone from the remote again
    forgotten_at = models.DateTimeField(null=True, blank=True)  # somebody said that it may stay where it is
    forgotten_by = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.makes or 'write'} {self.name} {self.key}"

    @property
    def operation(self) -> Operation | None:
        """None: the process ended before it was committed, so nothing was sent."""
        return Operation.objects.filter(key=self.key).first()
