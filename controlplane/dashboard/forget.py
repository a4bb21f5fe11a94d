"""What signing in leaves behind: expired sessions, and attempts that lock nobody out any more. The history tells of
each sign-in; what was typed as a name, which may be a password, is not kept longer than it is needed."""

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone


def forget() -> int:
    """How many rows went."""
    now = timezone.now()
    old = [
        Session.objects.filter(expire_date__lt=now),
        AccessAttempt.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME),
        AccessLog.objects.filter(attempt_time__lt=now - settings.AXES_COOLOFF_TIME),  # written no more
    ]
    return sum(rows.delete()[0] for rows in old)
