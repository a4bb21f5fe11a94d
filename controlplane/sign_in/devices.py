"""Devices that an account has signed in from before, known by a signed cookie (OWASP: "device cookies").

The cookie grants no access. It only counts failures on this device separately from those of other clients.
"""

import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

SALT = "controlplane.sign_in.devices"


def known(request: HttpRequest, user: User) -> str:
    """The identifier of the device; empty if this account has not signed in from it."""
    age = settings.KNOWN_DEVICE_AGE
    return str(request.get_signed_cookie(_name(user), default="", salt=SALT, max_age=age))


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    response.set_signed_cookie(
        _name(user),
        known(request, user) or secrets.token_urlsafe(12),
        salt=SALT,
        max_age=settings.KNOWN_DEVICE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _name(user: User) -> str:
    """One cookie per account, because several people may use one browser. The name is signed together with the
    value."""
    return f"known_device_{user.pk}"
