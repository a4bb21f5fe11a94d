"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from celery import shared_task
from django.contrib.auth import get_user_model

from numbers import propagation
from numbers.sync import sync_all


@shared_task
def sync(requested_by: int | None = None) -> str:
    user = get_user_model().objects.filter(pk=requested_by).first() if requested_by else None
    run = sync_all(requested_by=user)
    return str(run) if run else "another run is under way"


@shared_task
def poll_imports() -> int:
    return propagation.poll_due()
