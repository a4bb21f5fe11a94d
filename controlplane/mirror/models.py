"""The base of mirrored objects, sync runs, holds and external changes."""

import json
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from controlplane.audit.models import Entry


class RemoteObject(models.Model):
    """A row that mirrors one object of the remote.

    A row whose remote object was deleted stays as a tombstone (`gone_at`). While that is not certain, `missing_since`
    has the time of the first complete run that did not list the object, or of the precheck that got a 404.
    When a row was last seen follows from the newest complete run, so that an unchanged row needs no write.
    """

    object_type: ClassVar[str]

    remote_id = models.CharField("ID", max_length=64, unique=True)
    remote_data = models.JSONField(default=dict, blank=True)  # the remote's complete JSON
    digest = models.CharField(max_length=32, blank=True)  # of `remote_data`, to detect changes without loading it
    first_seen = models.DateTimeField(default=timezone.now)
    missing_since = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def id_suffix(self) -> str:
        """The last four characters of the id, which tell two objects of the same name apart."""
        return "…" + self.remote_id[-4:]

    @property
    def pretty_data(self) -> str:
        return json.dumps(self.remote_data, indent=2, ensure_ascii=False)

    def display_name(self) -> str:
        raise NotImplementedError

    def audit_snapshot(self) -> dict[str, Any]:
        """{path: value} that the history compares and records."""
        raise NotImplementedError


class SyncRun(models.Model):
    """One listing of the remote."""

    class State(models.TextChoices):
        ASKED = "asked", "requested"  # by a user; the next worker starts it
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        PARTIAL = "partial", "partial"
        HELD = "held", "held"  # it listed everything, but too much is missing; or it is another workspace

    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    full = models.BooleanField(default=False)  # reads the details of every agent, changed or not
    started_at = models.DateTimeField(default=timezone.now, db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(default=timezone.now)  # while it runs: after this, its worker counts as dead
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    problem = models.TextField(blank=True)  # why it is partial or held
    remote = models.CharField(max_length=200, blank=True)  # host and port that it listed
    workspace = models.CharField(max_length=64, blank=True)  # empty if the key may not read it
    phase = models.CharField(max_length=40, blank=True)  # what it is doing; `done` and `due` are its progress
    done = models.PositiveIntegerField(default=0)
    due = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    left_out = models.JSONField(default=list, blank=True)  # the first of the quarantined: [{what, id, why}]
    failed_calls = models.JSONField(default=list, blank=True)  # the first: [{method, path, status, tries, trace, ms}]
    waited_ms = models.PositiveIntegerField("waited on the remote, ms", default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="running"), name="one_running_sync"),
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="asked"), name="one_asked_sync"),
        ]

    def __str__(self) -> str:
        return f"Sync {self.pk}: {self.get_state_display()}"

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.ASKED, self.State.RUNNING)

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.done / self.due)) if self.due else 0


class Hold(models.Model):
    """An unlikely result of a run, more probably a fault than a real change, that a user has to accept."""

    class Kind(models.TextChoices):
        VANISHED = "vanished", "many are missing"
        WORKSPACE = "workspace", "another workspace"

    class State(models.TextChoices):
        OPEN = "open", "needs review"
        ACCEPTED = "accepted", "accepted"
        OVER = "over", "resolved"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    what = models.CharField(max_length=20, blank=True)  # "agents", "numbers"; empty for a workspace
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    objects_missing = models.JSONField(default=list, blank=True)  # their remote ids
    out_of = models.PositiveIntegerField(default=0)
    here = models.CharField(max_length=300, blank=True)  # the mirror's workspace: "host/workspace"
    there = models.CharField(max_length=300, blank=True)  # the API key's workspace
    run = models.ForeignKey(SyncRun, null=True, on_delete=models.SET_NULL, related_name="holds")  # the newest that held
    opened_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_by_name = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("decide_hold", "Can decide what a sync holds")]
        constraints = [
            models.UniqueConstraint(fields=["kind", "what"], condition=models.Q(state="open"), name="one_open_hold")
        ]

    def __str__(self) -> str:
        if self.kind == self.Kind.WORKSPACE:
            return "The API key belongs to another workspace"
        return f"{len(self.objects_missing)} of {self.out_of} {self.what} are missing from the list"


class OutsideChange(models.Model):
    """A change that a sync found and no operation explains: made in the ElevenLabs console, or with another tool.

    The values before and after are in its history entry; this row holds the decision about it.
    """

    class State(models.TextChoices):
        OPEN = "open", "open"
        ADOPTED = "adopted", "accepted"
        REVERTED = "reverted", "reverted"
        IGNORED = "ignored", "dismissed"

    entry = models.OneToOneField(Entry, on_delete=models.CASCADE, related_name="outside_change")
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64)
    # The change happened between `since`, when the object was last known to be unchanged, and `found_at`.
    since = models.DateTimeField(null=True)
    found_at = models.DateTimeField(default=timezone.now)
    run = models.ForeignKey(SyncRun, null=True, on_delete=models.SET_NULL, related_name="outside_changes")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_by_name = models.TextField(blank=True)
    # The newest attempt to revert it. If that failed, the change is open again.
    operation = models.ForeignKey(
        "operations.Operation", null=True, blank=True, on_delete=models.SET_NULL, related_name="reverts"
    )
    change_set = models.ForeignKey(
        "operations.ChangeSet", null=True, blank=True, on_delete=models.SET_NULL, related_name="reverts"
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "external change"
        permissions = [("decide_outsidechange", "Can accept and dismiss external changes")]
        indexes = [
            models.Index(
                fields=["object_type", "object_id"], condition=models.Q(state="open"), name="outside_change_open"
            ),
            models.Index(fields=["state", "-id"], name="outside_change_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.entry.words}"

    @property
    def name(self) -> str:
        """The name of the object when the change was found."""
        return self.entry.object_name or self.object_id

    @property
    def verb(self) -> str:
        """added, changed, gone or back."""
        return self.entry.verb
