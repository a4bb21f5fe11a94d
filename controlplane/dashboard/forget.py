"""What signing in leaves behind: expired sessions, attempts that lock nobody out any more, API tokens that ended, and
the bodies' digests of old API requests. The history tells of each sign-in and token; what was typed as a name, which
may be a password, is not kept longer than it is needed."""

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from controlplane.api.models import Request, Token


def forget() -> int:
    """How many rows went."""
    now = timezone.now()
    old = [
        Session.objects.filter(expire_date__lt=now),
        AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME),
        AccessLog.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME),  # written no more
        Request.objects.filter(created_at__lt=now - settings.API_KEYS_KEPT),
        Token.objects.filter(expires_at__lt=now - settings.API_KEYS_KEPT),
    ]
    return sum(rows.delete()[0] for rows in old)
