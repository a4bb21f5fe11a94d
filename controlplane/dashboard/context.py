"""What every page says: which remote it speaks to, how old the picture is, what is not confirmed yet."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from controlplane.elevenlabs import is_sandbox
from controlplane.mirror.models import SyncRun
from controlplane.operations.models import Operation, State

SYNC_HANGS_AFTER = timedelta(minutes=2)


def remote_name() -> str:
    """ "Sandbox", or the host that a real key speaks to."""
    if is_sandbox(settings.ELEVENLABS_BASE_URL):
        return "Sandbox"
    return urlsplit(settings.ELEVENLABS_BASE_URL).hostname or settings.ELEVENLABS_BASE_URL


def environment(request: HttpRequest) -> list[str]:
    """django-unfold's label in the header: which remote and, on a real one, which workspace; and a colour."""
    if is_sandbox(settings.ELEVENLABS_BASE_URL):
        return [remote_name(), "warning"]
    known = SyncRun.objects.exclude(workspace="").values_list("workspace", flat=True).first()
    return [f"{remote_name()} · workspace …{known[-6:]}" if known else remote_name(), "success"]


def unconfirmed_badge(request: HttpRequest) -> str:
    return str(Operation.objects.filter(state=State.SENT).count() or "")


def picture(request: HttpRequest) -> dict[str, Any]:
    """Context processor: which remote; for staff also the newest run that listed everything, and one under way.

    The theme renders a page in several pieces, each of which asks for this; it is worked out once for a request.
    """
    known: dict[str, Any] | None = request.__dict__.get("_picture")
    if known is None:
        known = request.__dict__["_picture"] = _remote() | (_newest_runs() if _is_staff(request) else {})
    return known


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_staff


def _remote() -> dict[str, Any]:
    return {"remote_name": remote_name(), "on_sandbox": is_sandbox(settings.ELEVENLABS_BASE_URL)}


def _newest_runs() -> dict[str, Any]:
    runs = SyncRun.objects.exclude(state=SyncRun.State.PARTIAL).order_by("-id")[:2]
    complete = next((run for run in runs if run.state == SyncRun.State.COMPLETE), None)
    as_of = complete.started_at if complete else None
    running = next((run for run in runs if run.state == SyncRun.State.RUNNING), None)
    return {
        "picture_as_of": as_of,
        "picture_stale": as_of is not None and timezone.now() - as_of > settings.PICTURE_STALE_AFTER,
        "picture_run": complete.pk if complete else 0,
        "picture_changes": complete is not None and bool(complete.added or complete.changed or complete.gone),
        "sync_running": running is not None,
        "sync_hangs": running is not None and timezone.now() - running.started_at > SYNC_HANGS_AFTER,
    }
