from collections.abc import Callable

import pytest
from django.db import transaction

from controlplane.audit import ledger
from controlplane.audit.models import Entry


@pytest.fixture
def record_entries() -> Callable[[int], list[Entry]]:
    """Records entries, each in its own transaction."""

    def record(count: int) -> list[Entry]:
        cause = ledger.Cause(Entry.Cause.SYNC, "1")
        entries = []
        for at in range(count):
            entry = ledger.entry(
                "number.changed", "number", f"phnum_{at}", f"+1555010{at:04}", cause=cause,
                before={"label": "Main"}, after={"label": f"Line {at} \u2028 \U0001f600", "rate": 1e30 + at},
            )  # fmt: skip
            with transaction.atomic():
                ledger.record(entry)
            entries.append(entry)
        return entries

    return record
