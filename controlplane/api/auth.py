"""Authentication and permissions of the API. Each request loads its token and its user, so a revoked one is refused
at once."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja.security import HttpBearer

from controlplane.api import throttle, tokens
from controlplane.api.models import Token
from controlplane.api.problems import unauthorized


class Bearer(HttpBearer):
    """Asks for these permissions before anything of the request is read. A session's cookie counts for nothing."""

    openapi_bearerFormat = "JWT"  # noqa: N815 - a name of OpenAPI

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
            found = tokens.of_access_token(token)
        except tokens.Refused:
            raise unauthorized(
                "This access token is invalid or expired. Get a new one at /api/token/refresh."
            ) from None
        throttle.take_permit(found)
        request.user = found.user
        if not found.user.has_perms(self.permissions):
            raise PermissionDenied
        return found


def requires(*permissions: str) -> Bearer:
    return Bearer(*permissions)


def current_user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
