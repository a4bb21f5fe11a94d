"""What was asked of one object, and what the history tells of it, for its page."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.audit.models import Entry
from controlplane.operations.differences import Setting, differences
from controlplane.operations.models import Operation

SHOWN = 10  # of each; the history has the rest
SETTINGS_SHOWN = 8  # of one entry; its own page has all


@dataclass(frozen=True)
class Told:
    entry: Entry
    settings: list[Setting]
    more: int  # settings that are not shown


def past_of(object_type: str, remote_id: str) -> dict[str, Any]:
    """For `controlplane/past.html`. The operations' own entries are left out: the operations stand beside them."""
    about = {"object_type": object_type, "object_id": remote_id}
    address = urlencode({"object_type": object_type, "object": remote_id})
    entries = list(Entry.objects.filter(**about).exclude(topic="operation")[: SHOWN + 1])
    return {
        "operations": Operation.objects.filter(**about).defer("wanted", "before", "seen")[:SHOWN],
        "told": [_told(entry) for entry in entries[:SHOWN]],
        "has_more": len(entries) > SHOWN,
        "timeline": f"{reverse('admin:audit_entry_changelist')}?{address}",
    }


def _told(entry: Entry) -> Told:
    settings = differences(entry.before, entry.after) if entry.kind.endswith(".changed") else []
    return Told(entry, settings[:SETTINGS_SHOWN], max(0, len(settings) - SETTINGS_SHOWN))
