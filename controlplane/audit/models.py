"""The history: one append-only table of everything that happened."""

import json
from datetime import UTC
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Concat, StrIndex, Substr
from django.utils import timezone

from controlplane.setting_names import short_name

SHORT = 60  # characters of a value, where a change is shown in one line
DECISIONS = {"adopted": "accepted", "ignored": "dismissed"}  # as stored -> as shown


class Entry(models.Model):
    """One change of one object, written in the transaction of the change it tells."""

    class Cause(models.TextChoices):
        OPERATION = "operation", "requested here"
        SYNC = "sync", "external change"
        SYSTEM = "system", "clean-up"
        PERSON = "person", "people and roles"

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    kind = models.CharField(max_length=60)  # "number.changed", "agent.gone", "operation.refused"
    topic = models.GeneratedField(  # "number", "agent", "operation": what stands before the dot, for filters
        expression=Substr("kind", 1, StrIndex(Concat("kind", models.Value(".")), models.Value(".")) - models.Value(1)),
        output_field=models.CharField(max_length=60),
        db_persist=True,
    )
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64, blank=True)  # the remote's id
    object_name = models.TextField(blank=True)
    before = models.JSONField(default=dict)  # {path: value}, only what differs
    after = models.JSONField(default=dict)
    actor = models.ForeignKey(  # protected: whoever stands here is deactivated, not deleted
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor_name = models.TextField()  # as text too: it outlives the user
    cause = models.CharField(max_length=12, choices=Cause.choices)
    cause_id = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    ticket = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = "history entry"
        permissions = [("export_entry", "Can export history")]
        verbose_name_plural = "history entries"
        ordering = ["-id"]
        # One for each filter of the timeline, in its order: the first page of a million is read from the end of one.
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
        """Everything that the entry says, as text that is the same each time it is read from the database. Also what no
        longer is a time or JSON, because somebody changed the database's file: then it is another text."""
        said = [
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
        # What came later is said by name and only where it says something: older entries are as they were sealed.
        if later := {name: value for name, value in (("ticket", self.ticket),) if value}:
            said.append(later)
        return json.dumps(said, sort_keys=True, separators=(",", ":"), default=repr)

    @property
    def verb(self) -> str:
        return self.kind.rpartition(".")[2]

    @property
    def is_change(self) -> bool:
        """Of the object itself: `before` and `after` are its settings."""
        return self.verb in ("changed", "added", "gone", "back")

    @property
    def words(self) -> str:
        """The change in one line: "agent: none → Sales Bot …4f2a"."""
        if "told" in self.after:  # of people and roles
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
        names = {path: short_name(path) for path in {**self.before, **self.after}}
        if "agent_name" in names:  # it says the same as the id, for people
            names["agent_name"] = "agent"
            names.pop("agent_id", None)
        changes = [f"{name}: {_change(self.before.get(path), self.after.get(path))}" for path, name in names.items()]
        return "; ".join(changes)


class Link(models.Model):
    """One link of the chain over the entries: nothing may change in an entry, or go, without the chain showing it.

    Links are made after the entries, in the background (`chain.seal`): writers do not wait for each other, and the
    order of the chain is the one in which they were sealed.
    """

    position = models.BigIntegerField(primary_key=True)  # 1, 2, 3 ... without a gap
    entry_id = models.BigIntegerField(unique=True)  # no foreign key: a link outlives an entry that was pruned
    digest = models.CharField(max_length=64)  # SHA-256 of the digest before, of the entry, and of when it was sealed
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"link {self.position}"


class Cut(models.Model):
    """Where pruning ended: what stands in the chain up to this link may go, and nothing else (see `guard`)."""

    position = models.BigIntegerField(primary_key=True)  # the last link that goes; it stays itself, without its entry
    digest = models.CharField(max_length=64)
    entry_id = models.BigIntegerField()  # of the entry that records it
    before = models.DateTimeField()  # the state at a time is known from here on
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-position"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"cut at link {self.position}"


class Snapshot(models.Model):
    """One object as it was known at a cut: what the entries say that went there, in one row."""

    cut = models.BigIntegerField()  # its position; no foreign key, because the rows are written first
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64)
    object_name = models.TextField(blank=True)
    settings = models.JSONField(default=dict)  # {path: value}
    since = models.DateTimeField()  # when the newest of these entries was written
    entry_id = models.BigIntegerField()  # the newest of them: later ones are changes of this

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["cut", "object_type", "object_id"], name="one_snapshot_of_object")
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_name or self.object_id} at cut {self.cut}"

    def seen_whole(self) -> str:
        said = [self.object_type, self.object_id, self.object_name, self.settings, self.entry_id]
        said.append(self.since.astimezone(UTC).isoformat(timespec="microseconds"))
        return json.dumps(said, sort_keys=True, separators=(",", ":"))


class Verification(models.Model):
    """One reading of the whole history against its chain, by a worker. All of it stands in this row, so that another
    worker goes on where one died."""

    class State(models.TextChoices):
        OPEN = "open", "under way"  # asked for, or being done
        WHOLE = "whole", "verified"
        BROKEN = "broken", "altered"
        UNGUARDED = "unguarded", "not protected"  # as it was written, but the database would not refuse a change

    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by_name = models.TextField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(default=timezone.now)  # a worker holds it until then
    position = models.BigIntegerField(default=0)  # up to this link all is as it was sealed ...
    digest = models.CharField(max_length=64, blank=True)  # ... and this is the link
    sealed = models.PositiveBigIntegerField(default=0)  # entries that were read and are as they were sealed
    due = models.PositiveBigIntegerField(default=0)  # about so many are to be read
    unsealed = models.PositiveBigIntegerField(default=0)
    problem = models.TextField(blank=True)  # in words; names the first entry that is not what was sealed
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
    """Of long texts only where they begin to differ."""
    old, new = _text(before), _text(after)
    begins = 0
    if max(len(old), len(new)) > SHORT:
        pairs = enumerate(zip(old, new, strict=False))
        begins = max(0, next((at for at, (one, other) in pairs if one != other), min(len(old), len(new))) - SHORT // 3)
    return f"{_part(old, begins)} → {_part(new, begins)}"


def _text(value: Any) -> str:
    return "none" if value in (None, "", [], {}) else str(value)


def _part(text: str, begins: int) -> str:
    return f"{'…' if begins else ''}{text[begins : begins + SHORT]}{'…' if len(text) > begins + SHORT else ''}"
