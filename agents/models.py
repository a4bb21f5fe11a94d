"""The mirrored agent."""

from typing import Any

from django.db import models

from controlplane.mirror.json_paths import flatten
from controlplane.mirror.models import RemoteObject
from controlplane.templatetags.names import visible

# Parts of an agent that users set. The rest (metadata, access, version ids, numbers) is maintained by ElevenLabs.
SETTINGS = ("conversation_config", "platform_settings", "workflow")


class Agent(RemoteObject):
    object_type = "agent"

    name = models.CharField(max_length=300, blank=True, db_index=True)
    tags = models.JSONField(default=list, blank=True)
    archived = models.BooleanField(default=False)
    voice_id = models.CharField("voice", max_length=64, blank=True)
    language = models.CharField(max_length=40, blank=True)
    llm = models.CharField("LLM", max_length=120, blank=True)
    last_call_at = models.DateTimeField(null=True, blank=True)
    created_remotely_at = models.DateTimeField(null=True, blank=True)
    # `updated_at_unix_secs` of the details in `remote_data`; if the listing has another, a sync fetches them again.
    details_as_of = models.BigIntegerField(null=True, blank=True)
    details_read_at = models.DateTimeField(null=True, blank=True)  # set by syncs, which refresh the oldest first

    class Meta:
        ordering = ["name", "id"]
        permissions = [
            ("archive_agent", "Can archive and restore agents"),
            ("duplicate_agent", "Can duplicate agents"),
        ]
        indexes = [models.Index(fields=["gone_at", "archived", "name"], name="agent_active")]

    def __str__(self) -> str:
        return f"{self.display_name()} {self.id_suffix}"

    def display_name(self) -> str:
        """The name for display; `name` is the exact value at ElevenLabs."""
        return visible(self.name) if self.name.strip() else "(no name)"

    @property
    def state(self) -> str:
        if self.gone_at:
            return "gone"
        return "archived" if self.archived else "active"

    def audit_snapshot(self) -> dict[str, Any]:
        if not self.remote_data:
            return {"gone": True} if self.gone_at else {}
        snapshot = flatten({part: self.remote_data[part] for part in SETTINGS if part in self.remote_data})
        snapshot |= {"name": self.name, "tags": self.tags}
        return snapshot | {"gone": True} if self.gone_at else snapshot
