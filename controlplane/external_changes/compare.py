"""The settings that an external change touched: before, after and now."""

from agents.models import Agent
from controlplane.mirror.models import OutsideChange
from controlplane.operations.diff_display import Setting, differences
from numbers.models import PhoneNumber


def compared_settings(change: OutsideChange, row: PhoneNumber | Agent | None) -> list[Setting]:
    before, after = change.entry.before, change.entry.after
    waits = change.state == OutsideChange.State.OPEN and change.verb == "changed"
    return differences(before, after, row.audit_snapshot() if waits and row is not None and not row.gone_at else after)
