"""Checks that the API key still opens the workspace that the mirror is of."""

from collections.abc import Sequence

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, Forbidden, KeyRefused, NotFound
from controlplane.mirror import holds
from controlplane.mirror.models import Hold, SyncRun
from controlplane.mirror.outages import STOPPING
from controlplane.mirror.runs import Lease
from controlplane.mirror.source import ResourceSource

SAMPLE_OBJECTS = 6  # it is no coincidence if this many objects all answer 404; fewer prove nothing


def guard(lease: Lease, collections: Sequence[ResourceSource]) -> str:
    """Sets `run.workspace` and returns a message if the run has to be held, otherwise "".

    Raises ElevenLabsError if the run cannot continue.
    """
    run = lease.run
    run.workspace = _workspace(lease.client)
    known = _mirrored_workspace(run)
    if known is None:
        return ""
    host, workspace, accepted = known
    if run.workspace and workspace:
        other = (run.remote, run.workspace) != (host, workspace)
    else:  # the key may not read its workspace: look for known objects, unless the old workspace was just given up
        other = run.remote != host or (not accepted and _shows_nothing_known(lease, collections))
    if other:
        return holds.workspace(lease, here=f"{host}/{workspace}", there=f"{run.remote}/{run.workspace}")
    holds.close_resolved(lease, Hold.Kind.WORKSPACE)
    return ""


def _workspace(client: ElevenLabs) -> str:
    """The id of the key's workspace; "" if the key lacks the permission to read it. Raises errors that stop a run."""
    try:
        workspace = client.get_user().workspace_id or ""
    except ElevenLabsError as error:
        if isinstance(error, STOPPING) and not (isinstance(error, KeyRefused) and error.is_missing_permission):
            raise
        return ""
    return workspace[:64] if workspace.isascii() and workspace.isprintable() else ""


def _mirrored_workspace(run: SyncRun) -> tuple[str, str, bool] | None:
    """(host, workspace, False) of the newest complete run, or (host, workspace, True) if a user has accepted another
    workspace since. None if there is neither."""
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=run.pk).exclude(remote="")
    newest = complete.first()
    accepted = holds.accepted_workspace()
    if accepted is not None and accepted.decided_at:
        if newest is None or accepted.decided_at > newest.started_at:
            host, _, workspace = accepted.there.partition("/")
            return host, workspace, True
        complete = complete.filter(started_at__gte=accepted.decided_at)  # older runs name the previous workspace
    if newest is None:
        return None
    named = complete.filter(remote=newest.remote).exclude(workspace="").first()
    return newest.remote, named.workspace if named else "", False


def _shows_nothing_known(lease: Lease, collections: Sequence[ResourceSource]) -> bool:
    sample = [(collection, remote_id) for collection in collections for remote_id in _sample(collection)]
    return len(sample) >= SAMPLE_OBJECTS and not any(
        _may_exist(lease, collection, remote_id) for collection, remote_id in sample
    )


def _sample(collection: ResourceSource) -> list[str]:
    known = list(collection.listable().filter(missing_since=None).values_list("remote_id", flat=True))
    return known[:: max(len(known) // SAMPLE_OBJECTS, 1)][:SAMPLE_OBJECTS]


def _may_exist(lease: Lease, collection: ResourceSource, remote_id: str) -> bool:
    lease.hold()
    try:
        collection.details(lease.client, remote_id)
    except (NotFound, Forbidden):
        return False
    except STOPPING:
        raise
    except ElevenLabsError:
        return True  # an unclear error proves nothing; if it persists, the listing will report it
    return True
