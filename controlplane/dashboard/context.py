"""Template context of every page: the remote, how old the data is, and what is unconfirmed."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, Q, Subquery
from django.http import HttpRequest
from django.utils import timezone

from controlplane.elevenlabs import is_sandbox
from controlplane.mirror.models import OutsideChange, SyncRun
from controlplane.operations.models import Operation, State
from controlplane.traffic import circuit

OPEN = OutsideChange.State.OPEN
SYNC_HANGS_AFTER = timedelta(minutes=2)


def remote_name() -> str:
    """ "Sandbox", or the host of the real remote."""
    if is_sandbox(settings.ELEVENLABS_BASE_URL):
        return "Sandbox"
    return urlsplit(settings.ELEVENLABS_BASE_URL).hostname or settings.ELEVENLABS_BASE_URL


def environment(request: HttpRequest) -> list[str]:
    """django-unfold's label in the header and its colour: the remote and, on a real one, the workspace."""
    if is_sandbox(settings.ELEVENLABS_BASE_URL):
        return [remote_name(), "warning"]
    known = SyncRun.objects.exclude(workspace="").values_list("workspace", flat=True).first()
    return [f"{remote_name()} · workspace …{known[-6:]}" if known else remote_name(), "success"]


def waiting(request: HttpRequest) -> dict[str, int]:
    """{state: count}: unconfirmed operations ("sent") and outside changes that are "open". One query per request,
    although every badge of the sidebar and the front page need it."""
    counts: dict[str, int] | None = request.__dict__.get("_waiting")
    if counts is None:
        querysets = [Operation.objects.filter(state=State.SENT), OutsideChange.objects.filter(state=OPEN)]
        first, second = (rows.order_by().values_list("state").annotate(Count("pk")) for rows in querysets)
        counts = request.__dict__["_waiting"] = dict(first.union(second, all=True))
    return counts


def unconfirmed_badge(request: HttpRequest) -> str:
    return str(waiting(request).get(State.SENT, ""))


def outside_badge(request: HttpRequest) -> str:
    return str(waiting(request).get(OPEN, ""))


def data_age(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the remote; for staff also the newest complete sync run, a running one, and whether the key is
    refused.

    The theme renders a page in several pieces, each of which calls this; it is computed once per request.
    """
    context: dict[str, Any] | None = request.__dict__.get("_picture")
    if context is None:
        context = request.__dict__["_picture"] = _remote() | (_for_staff() if _is_staff(request) else {})
    return context


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_staff


def _remote() -> dict[str, Any]:
    return {"remote_name": remote_name(), "on_sandbox": is_sandbox(settings.ELEVENLABS_BASE_URL)}


def _for_staff() -> dict[str, Any]:
    """In one query: the newest complete run, the newest finished run, and one in progress."""
    queryset = SyncRun.objects.defer("left_out", "failed_calls")
    newest = queryset.order_by("-id").values("pk")
    open_states = [SyncRun.State.ASKED, SyncRun.State.RUNNING]
    complete_pk, ended_pk = newest.filter(state=SyncRun.State.COMPLETE)[:1], newest.exclude(state__in=open_states)[:1]
    runs = list(queryset.filter(Q(state__in=open_states) | Q(pk=Subquery(complete_pk)) | Q(pk=Subquery(ended_pk))))
    complete = next((run for run in runs if run.state == SyncRun.State.COMPLETE), None)
    as_of = complete.started_at if complete else None
    running = next((run for run in runs if run.is_open), None)
    ended = next((run for run in runs if not run.is_open), None)
    return {
        "synced_at": as_of,
        "is_stale": as_of is not None and timezone.now() - as_of > settings.PICTURE_STALE_AFTER,
        "last_complete_run": complete.pk if complete else 0,
        "last_run_changed_rows": complete is not None and bool(complete.added or complete.changed or complete.gone),
        "sync_running": running,
        "sync_held": ended is not None and ended.state == SyncRun.State.HELD,
        "last_run": ended,
        "key_refused": circuit.refused(),
        "sync_hangs": running is not None and timezone.now() - running.started_at > SYNC_HANGS_AFTER,
    }
