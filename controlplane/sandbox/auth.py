"""Authentication by one API key."""

import re

from .errors import Refusal, current
from .messages import Request

KEY = "sk_sandbox"
KEY_ID = re.compile(r"[A-Za-z0-9]{20,64}")  # assumption 21: the format of a key's id


def check_key(request: Request) -> None:
    key = request.headers.get("xi-api-key")
    if key == KEY:
        return
    raise refusal(request, key)


def refusal(request: Request, key: str | None) -> Refusal:
    kind = "authentication_error"
    if key:
        if not key.startswith("sk_") and KEY_ID.fullmatch(key):
            return current(
                400,
                kind,
                "invalid_api_key",
                "API key ID used as API key - only valid API keys can be used. API keys start with 'sk_'.",
                status="api_key_id_used_as_api_key",
            )
        return current(401, kind, "unauthorized", "Invalid API key", status="invalid_api_key")
    if request.headers.get("authorization"):
        return current(401, kind, "invalid_authorization_header", "The authorization header is invalid.")
    if request.path == "/v1/models":  # seen live: the model list treats a caller without a key as a workspace
        return current(404, "not_found", "workspace_not_found", "Workspace 1anonymous1 not found.")
    return current(
        401,
        kind,
        "unauthorized",
        "Neither authorization header nor xi-api-key received, please provide one.",
        status="needs_authorization",
    )
