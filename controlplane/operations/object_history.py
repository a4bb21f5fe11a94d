"""The operations and history entries of one object, for its page."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.audit.models import Entry
from controlplane.operations.diff_display import Setting, differences
from controlplane.operations.models import Operation

MAX_ENTRIES = 10  # of operations and of history entries
MAX_SETTINGS = 8  # of one entry; its page has all


@dataclass(frozen=True)
class HistoryRow:
    entry: Entry
    settings: list[Setting]
    more: int  # settings that are not shown


def object_history(object_type: str, remote_id: str) -> dict[str, Any]:
    """Context for `controlplane/object_history.html`.

    Entries about operations are left out, because operations are listed.
    """
    about = {"object_type": object_type, "object_id": remote_id}
    query = urlencode({"object_type": object_type, "object": remote_id})
    entries = list(Entry.objects.filter(**about).exclude(topic="operation")[: MAX_ENTRIES + 1])
    return {
        "operations": Operation.objects.filter(**about).defer("params", "before", "observed")[:MAX_ENTRIES],
        "told": [_history_row(entry) for entry in entries[:MAX_ENTRIES]],
        "has_more": len(entries) > MAX_ENTRIES,
        "timeline": f"{reverse('admin:audit_entry_changelist')}?{query}",
    }


def _history_row(entry: Entry) -> HistoryRow:
    settings = differences(entry.before, entry.after) if entry.kind.endswith(".changed") else []
    return HistoryRow(entry, settings[:MAX_SETTINGS], max(0, len(settings) - MAX_SETTINGS))
