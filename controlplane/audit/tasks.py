"""Celery tasks of the history. Each runs what is due in the database, so a lost, duplicate or late message does no
harm."""

from celery import shared_task

from controlplane.audit import chain, verification


@shared_task
def seal() -> int:
    return chain.seal()


@shared_task
def seal_everything() -> int:
    return chain.seal(everything=True)


@shared_task
def verify() -> str:
    done = verification.run_due()
    return done.state if done else ""
