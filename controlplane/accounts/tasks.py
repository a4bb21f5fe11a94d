"""Celery tasks that purge expired rows. Each runs what is due in the database, so a lost, duplicate or late message
does no harm."""

from celery import shared_task

from controlplane.accounts import purge_expired as expired


@shared_task
def purge_expired() -> int:
    return expired.purge_expired()
