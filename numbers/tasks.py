"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from celery import shared_task

from controlplane.mirror import outside, runs
from numbers import propagation
from numbers.sync import sync_all


@shared_task
def sync() -> str:
    outside.keep_up()
    run = sync_all() if runs.is_due() else None
    return str(run) if run else "nothing is due, or another run is under way"


@shared_task
def poll_imports() -> int:
    return propagation.poll_due()
