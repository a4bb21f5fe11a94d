"""Is it the workspace that the picture is of? A key of another one would make everything here look gone."""

from controlplane.elevenlabs import ElevenLabs, ElevenLabsError, NotFound
from controlplane.mirror import holds
from controlplane.mirror.collection import Collection
from controlplane.mirror.models import Hold, SyncRun

SAMPLE = 6  # so many objects that all answer 404 are no coincidence, and fewer known ones prove nothing


def guard(run: SyncRun, client: ElevenLabs, collections: list[Collection]) -> str:
    """Why everything has to be held, in words; empty where all is well. Notes on the run which workspace it is."""
    run.workspace = _workspace(client)
    known = _picture_of(run)
    there = f"{run.remote}/{run.workspace}"
    if known is None:
        return ""
    host, workspace, chosen = known
    if run.workspace and workspace:
        other = (run.remote, run.workspace) != (host, workspace)
    else:  # the key may not say which workspace it opens: then what is known tells, unless it was just given up
        other = run.remote != host or (not chosen and _shows_nothing_known(client, collections))
    if other:
        return holds.workspace(run, here=f"{host}/{workspace}", there=there)
    holds.passed(Hold.Kind.WORKSPACE)
    return ""


def _workspace(client: ElevenLabs) -> str:
    """A key may do all else and not read this."""
    try:
        workspace = client.get_user().workspace_id or ""
    except ElevenLabsError:
        return ""
    return workspace[:64] if workspace.isascii() and workspace.isprintable() else ""


def _picture_of(run: SyncRun) -> tuple[str, str, bool] | None:
    """(host, workspace, False) of the newest complete run; (host, workspace, True) that somebody has chosen since."""
    complete = SyncRun.objects.filter(state=SyncRun.State.COMPLETE, pk__lt=run.pk).exclude(remote="")
    newest = complete.first()
    chosen = holds.accepted_workspace()
    if chosen is not None and chosen.decided_at and (newest is None or chosen.decided_at > newest.started_at):
        host, _, workspace = chosen.there.partition("/")
        return host, workspace, True
    if newest is None:
        return None
    if newest.workspace:
        return newest.remote, newest.workspace, False
    named = complete.filter(remote=newest.remote).exclude(workspace="").first()
    return newest.remote, named.workspace if named else "", False


def _shows_nothing_known(client: ElevenLabs, collections: list[Collection]) -> bool:
    for collection in collections:
        known = [remote_id for remote_id, missing in collection.listable() if missing is None]
        if len(known) < SAMPLE:
            continue
        step = len(known) // SAMPLE
        return all(not _is_there(client, collection, remote_id) for remote_id in known[::step][:SAMPLE])
    return False


def _is_there(client: ElevenLabs, collection: Collection, remote_id: str) -> bool:
    try:
        collection.details(client, remote_id)
    except NotFound:
        return False
    return True
