"""Authentication and permissions of the API. Each request loads its token and its user, so a revoked token is rejected
at once."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.security import HttpBearer

from controlplane.api import throttle, tokens
from controlplane.api.models import Token
from controlplane.api.problems import unauthorized


class Bearer(HttpBearer):
    """Checks the token and these permissions before the rest of the request is parsed. Session cookies are ignored."""

    openapi_bearerFormat = "JWT"  # noqa: N815 - OpenAPI defines this name

    def __init__(self, *permissions: str) -> None:
        super().__init__()
        self.permissions = permissions

    def __call__(self, request: HttpRequest) -> Token:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise unauthorized("Send an access token: Authorization: Bearer …")
        return self.authenticate(request, text.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Token:
        try:
            row = tokens.token_from_access_token(token)
        except tokens.Refused:
            raise unauthorized(
                "This access token is invalid or expired. Get a new one at /api/token/refresh."
            ) from None
        throttle.take_permit(row)
        request.user = row.user
        if not row.user.has_perms(self.permissions):
            raise PermissionDenied
        return row


def requires(*permissions: str) -> Bearer:
    return Bearer(*permissions)


def current_user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
