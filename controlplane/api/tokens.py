"""Issues, verifies and revokes tokens. A refresh token is random and long-lived; an access token is a JWT of a few
minutes, valid only while its refresh token and user are."""

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from controlplane.api.models import Allowance, Token
from controlplane.audit import ledger
from controlplane.audit.justification import NO_JUSTIFICATION, Justification
from controlplane.audit.models import Entry

PREFIX = "acp_"  # identifies our tokens in a leak
ALGORITHM = "HS256"
AUDIENCE = "agent-control-plane-api"
MAX_TOKEN_CHARS = 2_000  # longer input is truncated


class Refused(Exception):
    """The token is not valid. The message does not say why."""


def is_service(user: User) -> bool:
    """A service account cannot sign in to the admin: it is not staff, and its password is unusable."""
    return not user.is_staff and not user.has_usable_password()


def issue(
    user: User,
    *,
    name: str,
    lives: timedelta,
    by: User | None,
    by_name: str,
    key: str = "",
    justification: Justification = NO_JUSTIFICATION,
) -> tuple[Token, str]:
    """The row and the refresh token, which is shown once and not stored."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        key=key or str(uuid.uuid4()),
        user=user,
        name=name,
        digest=_digest(secret),
        stamp=user.get_session_auth_hash(),
        issued_by_name=by_name,
        expires_at=timezone.now() + lives,
    )
    with transaction.atomic():
        token.save(force_insert=True)
        Allowance.objects.create(token=token)
        until = f"{token.expires_at:%Y-%m-%d %H:%M} UTC"
        _record(token, "issued", f"API token “{name}” was created, valid until {until}", by, by_name, justification)
    return token, secret


def revoke(token: Token, *, by: User | None, by_name: str, justification: Justification = NO_JUSTIFICATION) -> bool:
    """False if it was already revoked. Access tokens issued from it end with it."""
    with transaction.atomic():
        ended = Token.objects.filter(pk=token.pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoked_by_name=by_name
        )
        if ended:
            _record(token, "revoked", f"API token “{token.name}” was revoked", by, by_name, justification)
    return bool(ended)


def find_by_name(secret: str) -> Token | None:
    """The row of a refresh token, valid or not."""
    return Token.objects.select_related("user").filter(digest=_digest(secret[:MAX_TOKEN_CHARS])).first()


def token_from_refresh_token(secret: str) -> Token:
    """The row of a valid refresh token. Raises `Refused`."""
    return _valid_token(find_by_name(secret))


def access_token(token: Token) -> str:
    now = timezone.now()
    claims = {
        "iss": AUDIENCE,
        "aud": AUDIENCE,
        "sub": str(token.user_id),
        "sid": token.pk,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + settings.API_ACCESS_TOKEN_LIFETIME,
    }
    return jwt.encode(claims, _signing_key(settings.SECRET_KEY), algorithm=ALGORITHM)


def token_from_access_token(text: str) -> Token:
    """The row of an access token, with the current user. Raises `Refused`."""
    claims = _claims(text[:MAX_TOKEN_CHARS])
    token = Token.objects.select_related("user").filter(pk=claims["sid"]).first()
    return _valid_token(token if token is not None and str(token.user_id) == claims["sub"] else None)


def _claims(text: str) -> dict[str, Any]:
    """The claims of a token signed with the current secret key or, after a rotation, with an earlier one. Raises
    `Refused`."""
    options: Any = {"require": ["exp", "iat", "aud", "iss", "sub", "sid"]}
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                _signing_key(secret),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=AUDIENCE,
                options=options,
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError):  # ValueError: characters that cannot occur in a token
            break
        return claims
    raise Refused


def _valid_token(token: Token | None) -> Token:
    if token is None or not token.is_active or not (token.user.is_staff or is_service(token.user)):
        raise Refused
    return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _signing_key(secret: str) -> bytes:
    """Derived from a secret key for this purpose only."""
    return salted_hmac("controlplane.api.tokens", "access", secret, algorithm="sha256").digest()


def _record(token: Token, verb: str, message: str, by: User | None, by_name: str, justification: Justification) -> None:
    cause = ledger.Cause(Entry.Cause.PERSON, "", by, by_name, justification.reason, justification.ticket)
    user = token.user
    ledger.record(
        ledger.entry(f"token.{verb}", "person", str(user.pk), user.get_username(), after={"told": message}, cause=cause)
    )
