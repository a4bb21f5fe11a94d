"""The state of the circuit breaker for each remote."""

import hashlib
import hmac
from dataclasses import asdict, dataclass
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone


@dataclass(frozen=True)
class Remote:
    """One workspace, identified without its key: by an HMAC of URL and key that only this installation can compute."""

    base_url: str
    key_mark: str

    @classmethod
    def of(cls, base_url: str, key: str) -> "Remote":
        mark = hmac.new(settings.SECRET_KEY.encode(), f"traffic {base_url} {key}".encode(), hashlib.sha256)
        return cls(base_url, mark.hexdigest()[:12])

    @classmethod
    def of_settings(cls) -> "Remote":
        return cls.of(settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY)

    def row(self) -> "models.QuerySet[Circuit]":
        return Circuit.objects.filter(**asdict(self))


class Circuit(models.Model):
    """The state of one remote. Open (`refused_since`): the key is refused, so nothing is sent but one probe at a time.
    Slowed: the remote asked for fewer requests, so non-urgent ones pause until `paused_until`."""

    base_url = models.CharField(max_length=200)
    key_mark = models.CharField(max_length=12)
    refused_since = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)  # the remote's reason, in one line
    probe_at = models.DateTimeField(default=timezone.now)  # while open: nothing is sent before this
    paused_until = models.DateTimeField(null=True, blank=True)
    slowed = models.PositiveSmallIntegerField(default=0)  # consecutive requests to slow down

    class Meta:
        default_permissions = ()  # no page lists these rows
        constraints = [models.UniqueConstraint(fields=["base_url", "key_mark"], name="one_circuit_for_each_key")]

    def __str__(self) -> str:
        return f"{self.base_url}, key {self.key_mark}"

    @property
    def rests(self) -> float:
        """Seconds for which non-urgent requests have to pause."""
        return max(0.0, (self.paused_until - timezone.now()).total_seconds()) if self.paused_until else 0.0

    @property
    def probe_is_due(self) -> bool:
        return self.probe_at <= timezone.now()

    @property
    def refusal(self) -> str:
        """Why nothing is sent."""
        since = _when(self.refused_since) if self.refused_since else ""
        retry = "with the next reading" if self.probe_is_due else f"at {_when(self.probe_at, '%H:%M:%S')}"
        return f"ElevenLabs has refused the API key since {since}, so nothing was sent. It is tried again {retry}."


def _when(moment: datetime, form: str = "%H:%M") -> str:
    day = "" if abs(timezone.now() - moment).total_seconds() < 12 * 3600 else f"{moment:%-d %b} "
    return f"{day}{moment:{form}} UTC"
