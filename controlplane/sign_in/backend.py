"""An authentication backend that applies the sign-in limits."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.http import HttpRequest

from controlplane.sign_in import limits

ATTEMPT = "_sign_in_attempt"  # set on the request here, read by the signal receivers and the middleware


class SignInLimits:
    """A backend that authenticates no one and loads no user. `limits.Locked` propagates through `authenticate()` to the
    caller: no further backend hashes the password, and no failure is signalled."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> None:
        if request is not None and username is not None and password is not None:
            setattr(request, ATTEMPT, limits.begin(request, username))


def connect() -> None:
    user_login_failed.connect(_failed, dispatch_uid="sign_in")
    user_logged_in.connect(_succeeded, dispatch_uid="sign_in")


def _failed(request: HttpRequest | None = None, **more: Any) -> None:
    if attempt := getattr(request, ATTEMPT, None):
        limits.failed(attempt)


def _succeeded(request: HttpRequest, user: User, **more: Any) -> None:
    if attempt := getattr(request, ATTEMPT, None):
        limits.succeeded(attempt, user)
