"""Celery tasks that purge expired rows. Each runs what is due in the database, so a lost, duplicate or late message
does no harm."""

from celery import shared_task

from controlplane.dashboard.purge_expired import purge_expired


@shared_task
def forget_sign_ins() -> int:
    return purge_expired()
