"""Celery tasks of numbers. Each runs whatever is due in the database, so a lost, duplicate or late message does no
harm."""

from celery import shared_task

from controlplane.enqueue import enqueue
from controlplane.mirror import runs
from controlplane.operations import external_changes
from controlplane.operations.tasks import run_change_sets
from numbers import import_polling, orphans
from numbers.sync import sync_all


@shared_task
def sync() -> str:
    external_changes.reconcile_reverts()
    run = sync_all() if runs.is_due() else None
    return str(run) if run else "nothing is due, or another run is under way"


@shared_task
def poll_imports() -> int:
    return import_polling.poll_due()


@shared_task
def clean_up_orphans() -> str:
    change_set = orphans.clean_up()
    if change_set is None:
        return "nothing to unassign"
    enqueue(run_change_sets)
    return str(change_set)
