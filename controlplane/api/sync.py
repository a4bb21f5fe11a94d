"""API endpoints that request a sync and show its progress. A worker runs it."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Router, Schema
from ninja.responses import Status

from controlplane.api.auth import current_user, requires
from controlplane.api.idempotency import digests_of, key_of, store_request
from controlplane.api.models import Request
from controlplane.api.operations import MAX_ID
from controlplane.api.schemas import Key, Strict, one_of
from controlplane.mirror import runs
from controlplane.mirror.models import SyncRun

router = Router(tags=["Sync"])


class SyncAsked(Strict):
    """An empty body."""


class SyncRunOut(Schema):
    id: int
    url: str
    state: Annotated[SyncRun.State, one_of(SyncRun.State)]
    problem: str
    started_at: datetime
    ended_at: datetime | None
    seen: int
    added: int
    changed: int
    gone: int
    quarantined: int


@router.post("/sync", summary="Start a sync", response={202: SyncRunOut}, auth=requires("mirror.add_syncrun"))
def sync(request: HttpRequest, response: HttpResponse, key: Key, body: SyncAsked = SyncAsked()) -> Any:  # noqa: B008
    """Returns the run that is in progress or already requested, or a new one. The same key returns the same run."""
    row = store_request(key_of(request, key), digests_of(request, {}))
    run = _run_of(row)
    if run is None:
        run = runs.request_sync(current_user(request))
        if not Request.objects.filter(pk=row.pk, sync_run=row.sync_run).update(sync_run=run.pk):
            row.refresh_from_db()  # another process with the same key was faster
            run = _run_of(row) or run
        if run.state == SyncRun.State.ASKED:
            runs.enqueue_sync()
    out = _serialize(run)
    response["Location"] = out.url
    return Status(202, out)


@router.get("/sync/{run_id}", summary="Watch a sync", response=SyncRunOut, auth=requires("mirror.view_syncrun"))
def sync_run(request: HttpRequest, run_id: Path[int]) -> Any:
    """The state of one run while it progresses."""
    run = SyncRun.objects.filter(pk=run_id).first() if 0 < run_id <= MAX_ID else None
    if run is None:
        raise Http404
    return _serialize(run)


def _run_of(row: Request) -> SyncRun | None:
    return SyncRun.objects.filter(pk=row.sync_run).first() if row.sync_run else None


def _serialize(run: SyncRun) -> SyncRunOut:
    names = SyncRunOut.model_fields.keys() - {"id", "url"}
    return SyncRunOut(id=run.pk, url=f"/api/sync/{run.pk}", **{name: getattr(run, name) for name in names})
