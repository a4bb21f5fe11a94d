"""API tokens, rate limits and idempotency keys."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone


class Token(models.Model):
    """One refresh token of a user, stored only as a digest. Access tokens refer to this row and end with it."""

    key = models.CharField(max_length=64, unique=True)  # of the form: submitted twice, it issues one token
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100)  # purpose, as typed
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the refresh token
    stamp = models.CharField(max_length=64)  # the user's session auth hash: a new password ends the token
    issued_at = models.DateTimeField(default=timezone.now)
    issued_by_name = models.TextField()
    expires_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(null=True, blank=True)  # when an access token was last issued
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by_name = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API token"
        default_permissions = ("view", "add")
        permissions = [("revoke_token", "Can revoke API tokens")]

    def __str__(self) -> str:
        return f"{self.name} ({self.user.get_username()})"

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        if self.expires_at <= timezone.now():
            return "expired"
        if not self.user.is_active:
            return "owner deactivated"
        return "active" if self.is_of_this_password else "invalidated by a password change"

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def is_of_this_password(self) -> bool:
        if self.stamp == self.user.get_session_auth_hash():
            return True
        return self.stamp in self.user.get_session_auth_fallback_hash()  # of the secret keys before a rotation

    @property
    def ended_at(self) -> datetime | None:
        return self.revoked_at or (self.expires_at if self.expires_at <= timezone.now() else None)


class Allowance(models.Model):
    """The rate limit state of a token: see `throttle`. A separate row, because each request writes it."""

    token = models.OneToOneField(Token, primary_key=True, on_delete=models.CASCADE, related_name="allowance")
    drawn_until = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"allowance of token {self.token_id}"


class Request(models.Model):
    """The digest of a write by idempotency key: the same key with another request is refused. The result is in the
    operation or change set with this key."""

    key = models.CharField(max_length=64, unique=True)  # the operation's key
    digest = models.CharField(max_length=64)  # of method, URL and body, without credentials
    sync_run = models.BigIntegerField(null=True, blank=True)  # the sync run it requested
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
