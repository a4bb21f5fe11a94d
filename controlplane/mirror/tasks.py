"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from celery import shared_task

from controlplane.mirror import runs


@shared_task
def prune() -> int:
    return runs.prune()
