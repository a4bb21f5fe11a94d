"""Counts of failed sign-ins."""

from django.conf import settings
from django.db import models


class FailureCount(models.Model):
    """Failed sign-ins within one window, for one account, one address, or a pair of both. At the limit it becomes a
    lock, which lasts until `expires_at`."""

    class Scope(models.TextChoices):
        PAIR = "pair", "account and address"
        DEVICE = "device", "account and known device"
        ADDRESS = "address", "address"
        ACCOUNT = "account", "account, on unknown devices"

    key = models.CharField(max_length=64, unique=True)  # an HMAC: the name typed may be a password
    scope = models.CharField(max_length=7, choices=Scope.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    address = models.CharField(max_length=45, blank=True)  # or the IPv6 network
    failures = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)  # attempts refused during the lock
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.failures} failed sign-ins of one {self.get_scope_display()}"
