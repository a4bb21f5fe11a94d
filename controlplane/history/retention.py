"""The data retention page: how much is kept of what, for how long, and what removes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from agents.models import Agent
from controlplane.api.models import Request, Token
from controlplane.audit.models import Cut, Entry, Verification
from controlplane.lifecycle.models import MAX_REPORTS as REPORTS
from controlplane.lifecycle.models import Report
from controlplane.mirror.models import OutsideChange, SyncRun
from controlplane.operations.models import ChangeSet, Operation
from controlplane.pages import render_page
from controlplane.sign_in.models import FailureCount
from numbers.models import PhoneNumber

FOR_EVER = "for ever"
NOTHING = "nothing"
EVERY_15_MINUTES = "a worker, every 15 minutes"


@dataclass(frozen=True)
class RetentionRow:
    what: str
    rows: QuerySet[Any]
    time: str  # the field with the age of a row; empty if it would be meaningless
    how_long: str
    setting: str
    removed_by: str

    @property
    def count(self) -> int:
        return self.rows.count()

    @property
    def oldest(self) -> datetime | None:
        return self.rows.order_by("pk").values_list(self.time, flat=True).first() if self.time else None


@require_GET
@permission_required("audit.view_entry", raise_exception=True)
def retention(request: HttpRequest) -> HttpResponse:
    context = {
        "title": "Data retention",
        "kept": list(_all()),
        "cuts": Cut.objects.all()[:10],
        "history_kept": settings.HISTORY_KEPT,
    }
    return render_page(request, "history/retention.html", context)


def _all() -> Iterator[RetentionRow]:
    history = days(settings.HISTORY_KEPT)
    runs = f"{days(settings.SYNC_RUNS_KEPT)}; after that one complete run an hour, as long as the history"
    by_hand = "manage.py prune_history, by hand"
    yield RetentionRow(
        "History: changes, verdicts, people, exports", Entry.objects.all(), "at", history, "HISTORY_KEPT_DAYS", by_hand
    )
    signed_in = Entry.objects.filter(object_type="person")
    yield RetentionRow(
        "of these: sign-ins, failed ones, people", signed_in, "at", history, "HISTORY_KEPT_DAYS", by_hand
    )
    yield RetentionRow(
        "External changes",
        OutsideChange.objects.all(),
        "found_at",
        "as their history entries; until decided in any case",
        "HISTORY_KEPT_DAYS",
        by_hand,
    )
    yield RetentionRow(
        "Sync runs", SyncRun.objects.all(), "started_at", runs, "SYNC_RUNS_KEPT_DAYS", "a worker, each hour"
    )
    yield RetentionRow("Operations", Operation.objects.all(), "created_at", FOR_EVER, "", NOTHING)
    yield RetentionRow("Change sets", ChangeSet.objects.all(), "created_at", FOR_EVER, "", NOTHING)
    gone = "they name the ids in the history"
    yield RetentionRow(
        "Agents that are gone", Agent.objects.exclude(gone_at=None), "", f"{FOR_EVER}: {gone}", "", NOTHING
    )
    yield RetentionRow(
        "Numbers that are gone", PhoneNumber.objects.exclude(gone_at=None), "", f"{FOR_EVER}: {gone}", "", NOTHING
    )
    yield RetentionRow(
        "API check reports",
        Report.objects.all(),
        "started_at",
        f"the last {REPORTS}, and those with something left to remove",
        "",
        "the next manage.py lifecycle",
    )
    yield RetentionRow("Verifications of the history", Verification.objects.all(), "asked_at", FOR_EVER, "", NOTHING)
    sessions = days(timedelta(seconds=settings.SESSION_COOKIE_AGE))
    yield RetentionRow(
        "Sessions of signed-in people",
        Session.objects.all(),
        "",
        f"{sessions} without a new sign-in",
        "",
        EVERY_15_MINUTES,
    )
    ended = f"{days(settings.IDEMPOTENCY_KEY_RETENTION)} after they expired"
    yield RetentionRow("API tokens", Token.objects.all(), "issued_at", ended, "", EVERY_15_MINUTES)
    keys = days(settings.IDEMPOTENCY_KEY_RETENTION)
    yield RetentionRow("Idempotency keys of the API", Request.objects.all(), "created_at", keys, "", EVERY_15_MINUTES)
    attempts = days(settings.SIGN_IN_WINDOW)
    yield RetentionRow(
        "Counts of failed sign-ins",
        FailureCount.objects.all(),
        "",
        f"{attempts}, at most {attempts} more",
        "",
        EVERY_15_MINUTES,
    )


def days(span: timedelta | None) -> str:
    if span is None:
        return FOR_EVER
    count, unit = (span.days, "day") if span.days else (span.seconds // 3600, "hour")
    if not count:
        count, unit = span.seconds // 60, "minute"
    return f"{count} {unit}{'' if count == 1 else 's'}"
