"""Celery tasks of the mirror. Each runs whatever is due in the database, so a lost, duplicate or late message does no
harm."""

from celery import shared_task

from controlplane.mirror import runs


@shared_task
def prune() -> int:
    return runs.prune()
