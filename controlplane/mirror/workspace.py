"""Checks that the API key still opens the workspace that the mirror is of."""

from collections.abc import Sequence

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, Forbidden, KeyRefused, NotFound
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, SyncRun
from controlplane.mirror.outages import STOPPING
from controlplane.mirror.runs import Lease
from controlplane.mirror.source import ResourceSource

SAMPLE_OBJECTS = 6  # so many objects that all answer 404 are no coincidence, and fewer known ones prove nothing


def guard(lease: Lease, collections: Sequence[ResourceSource]) -> str:
    """Why everything has to be held, in words; empty where all is well. Notes on the run which workspace it is.
    Raises an `ElevenLabsError` where there is no use in going on."""
    run = lease.run
    run.workspace = _workspace(lease.client)
    known = _mirrored_workspace(run)
    if known is None:
        return ""
    host, workspace, chosen = known
    if run.workspace and workspace:
        other = (run.remote, run.workspace) != (host, workspace)
    else:  # the key may not say which workspace it opens: then what is known tells, unless it was just given up
        other = run.remote != host or (not chosen and _shows_nothing_known(lease, collections))
    if other:
        return holds.workspace(lease, here=f"{host}/{workspace}", there=f"{run.remote}/{run.workspace}")
    holds.close_resolved(lease, Hold.Kind.WORKSPACE)
    return ""


def _workspace(client: ElevenLabs) -> str:
    """A key may do all else and not read this. Raises what stops a run."""
    try:
        workspace = client.get_user().workspace_id or ""
    except ElevenLabsError as error:
        if isinstance(error, STOPPING) and not (isinstance(error, KeyRefused) and error.lacks_a_permission):
            raise
        return ""
    return workspace[:64] if workspace.isascii() and workspace.isprintable() else ""


def _mirrored_workspace(run: SyncRun) -> tuple[str, str, bool] | None:
    """(host, workspace, False) of the newest complete run; (host, workspace, True) that somebody has chosen since."""
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=run.pk).exclude(remote="")
    newest = complete.first()
    chosen = holds.accepted_workspace()
    if chosen is not None and chosen.decided_at:
        if newest is None or chosen.decided_at > newest.started_at:
            host, _, workspace = chosen.there.partition("/")
            return host, workspace, True
        complete = complete.filter(started_at__gte=chosen.decided_at)  # older ones name the workspace that was left
    if newest is None:
        return None
    named = complete.filter(remote=newest.remote).exclude(workspace="").first()
    return newest.remote, named.workspace if named else "", False


def _shows_nothing_known(lease: Lease, collections: Sequence[ResourceSource]) -> bool:
    known = [(collection, remote_id) for collection in collections for remote_id in _some_of(collection)]
    return len(known) >= SAMPLE_OBJECTS and not any(_may_be_there(lease, *one) for one in known)


def _some_of(collection: ResourceSource) -> list[str]:
    known = list(collection.listable().filter(missing_since=None).values_list("remote_id", flat=True))
    return known[:: max(len(known) // SAMPLE_OBJECTS, 1)][:SAMPLE_OBJECTS]


def _may_be_there(lease: Lease, collection: ResourceSource, remote_id: str) -> bool:
    lease.hold()
    try:
        collection.details(lease.client, remote_id)
    except (NotFound, Forbidden):
        return False
    except STOPPING:
        raise
    except ElevenLabsError:
        return True  # no answer proves nothing; why there is none, the lists will tell
    return True
