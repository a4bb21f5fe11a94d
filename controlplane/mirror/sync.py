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
    """One run over all collections, in order; the one that was asked for, if there is one. None if another run is
    under way. `watch` is told each second how far it is."""
    run = runs.start(client.base_url, full=full, requested_by=requested_by)
    if run is None:
        return None
    lease = Lease(run, client, watch)
    try:
        with fetch.thread_pool(), runs.without_waiting_for_the_disk(), _gc_frozen():
            problems, held = _run(list(collections), lease)
    except LeaseLost:
        log.warning("sync %s: its claim was gone, so it stopped", run.pk)
        run.refresh_from_db()
    except BaseException:
        # Whatever it was, also a time limit: the list was not worked through, so nobody may read it as complete.
        lease.end(SyncRun.State.PARTIAL, "The run ended with an error.")
        raise
    else:
        state = SyncRun.State.PARTIAL if problems else SyncRun.State.HELD if held else SyncRun.State.COMPLETE
        lease.end(state, " ".join([*problems, *held]))
    return run


@contextmanager
def _gc_frozen() -> Iterator[None]:
    """Python looks through all that the process holds, again and again while rows are made. What was here before the
    run, the program above all, is left alone until it ends."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _run(collections: list[ResourceSource], lease: Lease) -> tuple[list[str], list[str]]:
    """What went wrong, and what is held, in words."""
    run, client = lease.run, lease.client
    cause = Cause(Entry.Cause.SYNC, str(run.pk))
    lease.phase("asking which workspace this is", 0)
    try:
        if why := workspace.guard(lease, collections):
            return [], [why]
    except ElevenLabsError as error:
        return [f"It could not be read which workspace this is, so nothing was listed. {error}"], []
    writers = [MirrorWriter(collection, lease, client, cause, _is_first_sync(run)) for collection in collections]
    read = [listing.read(writer) for writer in writers]
    if problems := [problem for _, problem in read if problem]:
        return problems, []
    missing = [
        deletions.verify_missing(writer, not_listed) for writer, (not_listed, _) in zip(writers, read, strict=True)
    ]
    if held := [why for _, why in missing if why]:
        return [], held  # what is wrong with one list is likely wrong with the other
    unseen = [rows for rows, _ in missing]
    looked_up = [deletions.verify_by_id(writer, rows) for writer, rows in zip(writers, unseen, strict=True)]
    if problems := [problem for _, problem in looked_up if problem]:
        return problems, []  # a run that is not complete marks nothing, also where it was answered
    for writer, rows, (not_found, _) in zip(writers, unseen, looked_up, strict=True):
        deletions.confirm_deletions(writer, rows, not_found)
    return [], []


def _is_first_sync(run: SyncRun) -> bool:
    """What is found then is how things are, not what changed. After a move to another workspace that takes two runs:
    the first brings what is there, the second finds what is not."""
    before = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=run.pk)
    moved = holds.workspace_changed_at()
    return before.filter(started_at__gt=moved).count() < 2 if moved else not before.exists()
