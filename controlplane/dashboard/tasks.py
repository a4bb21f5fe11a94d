"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from celery import shared_task

from controlplane.dashboard.purge_expired import purge_expired


@shared_task
def forget_sign_ins() -> int:
    return purge_expired()
