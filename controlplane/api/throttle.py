"""Limits the requests per minute of each token, across all processes.

Uses the generic cell rate algorithm: each request advances `drawn_until` by one interval, and a token that is a minute
ahead has to wait. One conditional UPDATE counts and decides, so two processes can never both take the last permit.
"""

import math
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from controlplane.api.models import Allowance, Token
from controlplane.api.problems import Problem

WINDOW = timedelta(minutes=1)


def take_permit(token: Token) -> None:
    """Raises a 429 if the token has used up its rate limit."""
    interval = WINDOW / settings.API_RATE_PER_MINUTE
    now = timezone.now()
    allowance = Allowance.objects.filter(pk=token.pk)
    available = allowance.filter(drawn_until__lte=now + WINDOW - interval)
    if available.update(drawn_until=Greatest(F("drawn_until"), Value(now)) + interval):
        return
    drawn = allowance.values_list("drawn_until", flat=True).first() or now + WINDOW
    wait = max(1, math.ceil((drawn + interval - WINDOW - now).total_seconds()))
    raise Problem(
        429,
        "too-many",
        f"This token is limited to {settings.API_RATE_PER_MINUTE} requests a minute. Try again in {wait} s.",
        headers={"Retry-After": str(wait)},
    )
