"""Celery tasks of operations. Each runs whatever is due in the database, so a lost, duplicate or late message does no
harm."""

from celery import shared_task

from controlplane.operations import change_sets
from controlplane.operations import settle as settling


@shared_task
def settle() -> int:
    return settling.settle_due()


@shared_task
def run_change_sets() -> int:
    return change_sets.run_due()
