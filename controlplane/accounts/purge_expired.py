"""Purges expired sessions, counts of failed sign-ins, API tokens and idempotency keys."""

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from controlplane.api.models import Request, Token
from controlplane.sign_in import limits


def purge_expired() -> int:
    """Returns the number of rows removed."""
    now = timezone.now()
    old = [
        Session.objects.filter(expire_date__lt=now),
        Request.objects.filter(created_at__lt=now - settings.IDEMPOTENCY_KEY_RETENTION),
        Token.objects.filter(expires_at__lt=now - settings.IDEMPOTENCY_KEY_RETENTION),
    ]
    return limits.purge_expired() + sum(rows.delete()[0] for rows in old)
