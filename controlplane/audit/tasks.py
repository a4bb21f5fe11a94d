"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from celery import shared_task

from controlplane.audit import chain


@shared_task
def seal() -> int:
    return chain.seal()


@shared_task
def seal_everything() -> int:
    return chain.seal(everything=True)
