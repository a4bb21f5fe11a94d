"""API endpoints that issue, refresh and revoke tokens. Failed passwords count towards the limits of the sign-in
page."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from controlplane.api import throttle, tokens
from controlplane.api.problems import Problem, unauthorized
from controlplane.api.schemas import Secret, Strict, Text
from controlplane.audit.ledger import actor_label
from controlplane.elevenlabs import secrets_in_memory
from controlplane.sign_in.limits import Locked

router = Router(tags=["Tokens"])
INVALID_CREDENTIALS = "This user name and password are not right, or this user may not use the API."


class SignIn(Strict):
    username: Text = Field(max_length=150)
    password: Secret = Field(max_length=4096)
    name: Text = Field("signed in with a password", max_length=100, description="What the token is for")


class RefreshToken(Strict):
    refresh_token: Secret = Field(max_length=200)


class AccessToken(Schema):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the token type, not a secret
    expires_in: int = Field(description="Seconds")


class TokenPair(AccessToken):
    refresh_token: str
    refresh_expires_at: datetime


@router.post("/token", summary="Sign in with a password", response=TokenPair, auth=None)
@sensitive_variables()
def sign_in(request: HttpRequest, body: SignIn) -> TokenPair:
    """Sign in with a password: returns an access token valid for a few minutes, and a refresh token valid as long as a
    session."""
    if not settings.API_PASSWORD_SIGN_IN:
        raise Problem(403, "forbidden", "Signing in with a password is switched off: ask an administrator for a token.")
    password = body.password.get_secret_value()
    with secrets_in_memory(password):
        user = _authenticate(request, body.username, password)
        lifetime = timedelta(seconds=settings.SESSION_COOKIE_AGE)
        token, secret = tokens.issue(user, name=body.name, lives=lifetime, by=user, by_name=actor_label(user))
    return TokenPair(
        access_token=tokens.access_token(token),
        expires_in=_seconds(),
        refresh_token=secret,
        refresh_expires_at=token.expires_at,
    )


@router.post("/token/refresh", summary="Refresh the access token", response=AccessToken, auth=None)
@sensitive_variables()
def refresh(request: HttpRequest, body: RefreshToken) -> AccessToken:
    """A new access token. The refresh token stays the same until it expires or is revoked."""
    try:
        token = tokens.token_from_refresh_token(body.refresh_token.get_secret_value())
    except tokens.Refused:
        raise unauthorized("This refresh token is not good (any more).") from None
    throttle.take_permit(token)
    token.refreshed_at = timezone.now()
    token.save(update_fields=["refreshed_at"])
    return AccessToken(access_token=tokens.access_token(token), expires_in=_seconds())


@router.post("/token/revoke", summary="Revoke a token", response={204: None}, auth=None)
@sensitive_variables()
def revoke(request: HttpRequest, body: RefreshToken) -> Status[None]:
    """End this refresh token and every access token issued from it. An unknown token gets the same answer."""
    token = tokens.find_by_name(body.refresh_token.get_secret_value())
    if token is not None:  # also an inactive one: its user may be reactivated
        tokens.revoke(token, by=token.user, by_name=actor_label(token.user))
    return Status(204, None)


def _authenticate(request: HttpRequest, username: str, password: str) -> User:
    try:
        user = authenticate(request, username=username, password=password)
    except Locked as locked:
        headers = {"Retry-After": str(locked.seconds)}
        raise Problem(429, "locked-out", str(locked), headers=headers) from None
    if not isinstance(user, User) or not user.is_staff:
        raise unauthorized(INVALID_CREDENTIALS)
    user_logged_in.send(sender=User, request=request, user=user)  # records the sign-in and resets the count of failures
    return user


def _seconds() -> int:
    return int(settings.API_ACCESS_TOKEN_LIFETIME.total_seconds())
