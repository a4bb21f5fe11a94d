"""The history: one append-only table of everything that happened."""

import json
from datetime import UTC
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Concat, StrIndex, Substr
from django.utils import timezone

from controlplane.setting_names import setting_name

SHORT = 60  # characters of a value in a one-line change
DECISIONS = {"adopted": "accepted", "ignored": "dismissed"}  # as stored -> as shown


class Entry(models.Model):
    """One change of one object, written in the same transaction as the change."""

    class Cause(models.TextChoices):
        OPERATION = "operation", "requested here"
        SYNC = "sync", "external change"
        SYSTEM = "system", "clean-up"
        PERSON = "person", "people and roles"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=60)  # "number.changed", "agent.gone", "operation.refused"
    topic = models.GeneratedField(  # the part before the dot, for filters
        expression=Substr("kind", 1, StrIndex(Concat("kind", models.Value(".")), models.Value(".")) - models.Value(1)),
        output_field=models.CharField(max_length=60),
        db_persist=True,
    )
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64, blank=True)  # the remote's id
    object_name = models.TextField(blank=True)
    before = models.JSONField(default=dict)  # {path: value}, only what differs
    after = models.JSONField(default=dict)
    actor = models.ForeignKey(  # protected: a user in the history is deactivated, not deleted
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor_name = models.TextField()  # also as text: it outlives the user
    cause = models.CharField(max_length=12, choices=Cause.choices)
    cause_id = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    ticket = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = "history entry"
        permissions = [("export_entry", "Can export history")]
        verbose_name_plural = "history entries"
        ordering = ["-id"]
        # One per filter of the timeline, in its sort order, so that the first page of a million rows is read from an
        # index end.
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="entry_of_object"),
            models.Index(fields=["topic", "at", "id"], name="entry_by_topic"),
            models.Index(fields=["kind", "at", "id"], name="entry_by_kind"),
            models.Index(fields=["actor", "at", "id"], name="entry_by_actor"),
            models.Index(fields=["cause", "at", "id"], name="entry_by_cause"),
            models.Index(fields=["object_type", "at", "id"], name="entry_by_type"),
            models.Index(fields=["cause", "cause_id"], name="entry_by_cause_id"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_name or self.object_id}"

    def seen_whole(self) -> str:
        """All fields as canonical text for the digest: the same at each read from the database. A value that is no
        longer a valid time or JSON, because the database file was edited, is included as different text (its repr)."""
        fields = [
            self.pk,
            self.at and self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.kind,
            self.object_type,
            self.object_id,
            self.object_name,
            self.before,
            self.after,
            self.actor_id,
            self.actor_name,
            self.cause,
            self.cause_id,
            self.reason,
        ]
        # Fields added later are included by name and only if set, so that older entries keep the digest they were
        # sealed with.
        if later := {name: value for name, value in (("ticket", self.ticket),) if value}:
            fields.append(later)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=repr)

    @property
    def verb(self) -> str:
        return self.kind.rpartition(".")[2]

    @property
    def is_change(self) -> bool:
        """A change of the object itself: `before` and `after` hold its settings."""
        return self.verb in ("changed", "added", "gone", "back")

    @property
    def words(self) -> str:
        """The change in one line: "agent: none → Sales Bot …4f2a"."""
        if "told" in self.after:  # of users and roles
            return str(self.after["told"])
        if self.kind.startswith("operation."):
            return f"{self.after.get('asked', '')}: {self.kind.removeprefix('operation.').replace('_', ' ')}"
        if self.kind.startswith("outside."):
            decision = DECISIONS.get(self.verb, self.verb)
            words = f"external change {decision}: {self.after.get('change', '')}"
            return f"{words} ({self.after['why']})" if self.after.get("why") else words
        if self.kind.endswith(".added"):
            return "first seen"
        if self.kind.endswith(".gone"):
            return "gone at ElevenLabs"
        if self.kind.endswith(".back"):
            return "there again at ElevenLabs"
        names = {path: setting_name(path) for path in {**self.before, **self.after}}
        if "agent_name" in names:  # the readable form of agent_id
            names["agent_name"] = "agent"
            names.pop("agent_id", None)
        changes = [f"{name}: {_change(self.before.get(path), self.after.get(path))}" for path, name in names.items()]
        return "; ".join(changes)


class Link(models.Model):
    """One link of the hash chain over the entries: an entry cannot be changed or removed without breaking the chain.

    Links are created after the entries, in the background (`chain.seal`): writers do not wait for each other, and the
    order of the chain is the order of sealing.
    """

    position = models.BigIntegerField(primary_key=True)  # 1, 2, 3 ... without a gap
    entry_id = models.BigIntegerField(unique=True)  # no foreign key: a link outlives a pruned entry
    digest = models.CharField(max_length=64)  # SHA-256 of the previous digest, the entry, and the time of sealing
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"link {self.position}"


class Cut(models.Model):
    """Where pruning ended: entries up to this link may be deleted, and nothing else (see `triggers`)."""

    # the last pruned link; the link itself stays, without its entry
    position = models.BigIntegerField(primary_key=True)
    digest = models.CharField(max_length=64)
    entry_id = models.BigIntegerField()  # the entry that records the cut
    before = models.DateTimeField()  # past states are known from here on
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-position"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"cut at link {self.position}"


class Snapshot(models.Model):
    """The state of one object at a cut, replacing the entries that were pruned there."""

    cut = models.BigIntegerField()  # its position; no foreign key, because snapshots are written before the cut
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64)
    object_name = models.TextField(blank=True)
    settings = models.JSONField(default=dict)  # {path: value}
    since = models.DateTimeField()  # when the newest pruned entry of the object was written
    entry_id = models.BigIntegerField()  # that entry; later entries are changes of this state

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["cut", "object_type", "object_id"], name="one_snapshot_of_object")
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_name or self.object_id} at cut {self.cut}"

    def seen_whole(self) -> str:
        fields = [self.object_type, self.object_id, self.object_name, self.settings, self.entry_id]
        fields.append(self.since.astimezone(UTC).isoformat(timespec="microseconds"))
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))


class Verification(models.Model):
    """One check of the whole history against its chain, by a worker. All progress is stored in this row, so that
    another worker can resume if one dies."""

    class State(models.TextChoices):
        OPEN = "open", "under way"  # requested or running
        WHOLE = "whole", "verified"
        BROKEN = "broken", "altered"
        UNGUARDED = "unguarded", "not protected"  # intact, but the database would not refuse a change

    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by_name = models.TextField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(default=timezone.now)  # lease of the worker running it
    position = models.BigIntegerField(default=0)  # everything up to this link is intact ...
    digest = models.CharField(max_length=64, blank=True)  # ... and this is its digest
    sealed = models.PositiveBigIntegerField(default=0)  # entries read and found intact
    due = models.PositiveBigIntegerField(default=0)  # approximate number of entries to read
    unsealed = models.PositiveBigIntegerField(default=0)
    problem = models.TextField(blank=True)  # message; names the first entry that differs from what was sealed
    entry_id = models.BigIntegerField(null=True, blank=True)  # that entry

    class Meta:
        ordering = ["-id"]
        default_permissions = ("add",)
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="open"), name="one_open_verification")
        ]

    def __str__(self) -> str:
        return f"Verification {self.pk}: {self.get_state_display()}"

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.sealed / self.due)) if self.due else 0


def _change(before: Any, after: Any) -> str:
    """ "old → new"; long texts are cut to begin shortly before the first difference."""
    old, new = _text(before), _text(after)
    start = 0
    if max(len(old), len(new)) > SHORT:
        pairs = enumerate(zip(old, new, strict=False))
        start = max(0, next((at for at, (one, other) in pairs if one != other), min(len(old), len(new))) - SHORT // 3)
    return f"{_part(old, start)} → {_part(new, start)}"


def _text(value: Any) -> str:
    return "none" if value in (None, "", [], {}) else str(value)


def _part(text: str, start: int) -> str:
    return f"{'…' if start else ''}{text[start : start + SHORT]}{'…' if len(text) > start + SHORT else ''}"
