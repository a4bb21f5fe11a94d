"""Wake-ups: each runs what is due in the database, so a message lost, doubled or late does no harm."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from controlplane.mirror.models import SyncRun
from numbers import propagation
from numbers.sync import sync_all

EARLY = 0.9  # of the interval: beat is not exact to the second


@shared_task
def sync(requested_by: int | None = None) -> str:
    if requested_by is None and not is_due():
        return "not due yet"
    user = get_user_model().objects.filter(pk=requested_by).first() if requested_by else None
    run = sync_all(requested_by=user)
    return str(run) if run else "another run is under way"


@shared_task
def poll_imports() -> int:
    return propagation.poll_due()


def is_due() -> bool:
    """One run in each interval, however many messages ask for it: two beats, a message doubled or late."""
    since = timezone.now() - timedelta(seconds=EARLY * settings.SYNC_INTERVAL)
    return not SyncRun.objects.filter(started_at__gt=since).exists()
