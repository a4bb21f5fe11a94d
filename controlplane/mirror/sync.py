"""One sync: list everything, store the differences, verify what is missing."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.contrib.auth.models import User

from controlplane.audit.ledger import Cause
from controlplane.audit.models import Entry
from controlplane.elevenlabs import ElevenLabs, ElevenLabsError
from controlplane.mirror import deletions, fetch, holds, listing, runs, workspace
from controlplane.mirror.models import SyncRun
from controlplane.mirror.runs import Lease, LeaseLost, Watcher
from controlplane.mirror.source import ResourceSource
from controlplane.mirror.writer import MirrorWriter

log = logging.getLogger(__name__)


def sync(
    collections: Sequence[ResourceSource],
    client: ElevenLabs,
    *,
    full: bool = False,
    requested_by: User | None = None,
    watch: Watcher | None = None,
) -> SyncRun | None:
    """Run one sync over all collections, in order: the requested run if there is one. None if another is running.

    `watch` is called with the run every second.
    """
    run = runs.start(client.base_url, full=full, requested_by=requested_by)
    if run is None:
        return None
    lease = Lease(run, client, watch)
    try:
        with fetch.thread_pool(), runs.asynchronous_commits(), _gc_frozen():
            problems, held = _run(list(collections), lease)
    except LeaseLost:
        log.warning("sync %s: its claim was gone, so it stopped", run.pk)
        run.refresh_from_db()
    except BaseException:
        # Any error, including a time limit: the lists were not processed completely, so the run must not look complete.
        lease.end(SyncRun.State.PARTIAL, "The run ended with an error.")
        raise
    else:
        state = SyncRun.State.PARTIAL if problems else SyncRun.State.HELD if held else SyncRun.State.COMPLETE
        lease.end(state, " ".join([*problems, *held]))
    return run


@contextmanager
def _gc_frozen() -> Iterator[None]:
    """Keeps the garbage collector from scanning objects that existed before the run, above all the program itself.
    Creating rows would otherwise trigger such scans again and again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _run(collections: list[ResourceSource], lease: Lease) -> tuple[list[str], list[str]]:
    """Returns (messages about problems, messages about holds)."""
    run, client = lease.run, lease.client
    cause = Cause(Entry.Cause.SYNC, str(run.pk))
    lease.phase("asking which workspace this is", 0)
    try:
        if hold := workspace.guard(lease, collections):
            return [], [hold]
    except ElevenLabsError as error:
        return [f"It could not be read which workspace this is, so nothing was listed. {error}"], []
    writers = [MirrorWriter(collection, lease, client, cause, _is_first_sync(run)) for collection in collections]
    read = [listing.read(writer) for writer in writers]
    if problems := [problem for _, problem in read if problem]:
        return problems, []
    missing = [
        deletions.verify_missing(writer, not_listed) for writer, (not_listed, _) in zip(writers, read, strict=True)
    ]
    if held := [hold for _, hold in missing if hold]:
        return [], held  # whatever is wrong with one list is probably wrong with the other
    unseen = [rows for rows, _ in missing]
    looked_up = [deletions.verify_by_id(writer, rows) for writer, rows in zip(writers, unseen, strict=True)]
    if problems := [problem for _, problem in looked_up if problem]:
        return problems, []  # an incomplete run marks nothing, not even objects that did answer 404
    for writer, rows, (not_found, _) in zip(writers, unseen, looked_up, strict=True):
        deletions.confirm_deletions(writer, rows, not_found)
    return [], []


def _is_first_sync(run: SyncRun) -> bool:
    """Whether differences are initial data instead of external changes.

    After a change of workspace that is true for two runs: the first adds the objects of the new workspace, the second
    marks those of the old one as deleted.
    """
    before = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=run.pk)
    changed_at = holds.workspace_changed_at()
    return before.filter(started_at__gt=changed_at).count() < 2 if changed_at else not before.exists()
