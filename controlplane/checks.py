"""System checks: one for each setting that can be missing or wrong."""

import os
import re
from collections.abc import Sequence
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution

from controlplane.elevenlabs.base_url import LOOPBACK, check_base_url, check_key

MIN_SECRET_KEY_CHARS = 50
SHORT_HISTORY = 31  # days


@register()
def remote(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    hint = "Leave out both ELEVENLABS_API_KEY and ELEVENLABS_BASE_URL to use the sandbox."
    try:
        check_base_url(settings.ELEVENLABS_BASE_URL)
    except ValueError as problem:
        return [Error(str(problem), hint=hint, id="controlplane.E001")]
    try:
        check_key(settings.ELEVENLABS_BASE_URL, settings.ELEVENLABS_API_KEY)
    except ValueError as problem:
        return [Error(str(problem), hint=hint, id="controlplane.E002")]
    return []


@register()
def pace(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.ELEVENLABS_MAX_CONCURRENCY >= 1:
        return []
    return [
        Error(
            "ELEVENLABS_MAX_CONCURRENCY is less than 1: no request to ElevenLabs could ever be sent.",
            hint="Leave it out for 2 at once, or set how many the workspace's plan bears.",
            id="controlplane.E006",
        )
    ]


@register()
def folders(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if (settings.BASE_DIR / "numbers" / "__init__.py").exists():
        problems.append(
            Error(
                "numbers/__init__.py hides the standard library's module of the same name.",
                hint="Delete it: controlplane/__init__.py makes the folder importable without it.",
                id="controlplane.E003",
            )
        )
    folder = settings.VAR_DIR
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent  # a missing folder is created by `up` if its parent allows it
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        problems.append(
            Error(
                f"{settings.VAR_DIR} cannot be written to.",
                hint="Give this user the folder, or set VAR_DIR to another one.",
                id="controlplane.E004",
            )
        )
    return problems


@register()
def orphans(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A mistyped value must not be read as either of the two."""
    if settings.ORPHAN_CLEANUP in ("ask", "auto") and settings.ORPHAN_CLEANUP_MAX > 0:
        return []
    return [
        Error(
            "ORPHAN_CLEANUP is neither ask nor auto, or ORPHAN_CLEANUP_MAX is not above 0.",
            hint="ask proposes to unassign numbers whose agent is gone; auto unassigns them.",
            id="controlplane.E010",
        )
    ]


@register()
def retention(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Removal cannot be undone, so an implausible value is an error rather than being corrected."""
    history, runs, longest = settings.HISTORY_KEPT_DAYS, settings.SYNC_RUNS_KEPT_DAYS, settings.LONGEST_KEPT_DAYS
    problems: list[CheckMessage] = []
    if not 0 <= history <= longest:
        problems.append(
            Error(
                f"HISTORY_KEPT_DAYS is {history}: history cannot be kept for so many days.",
                hint=f"0 keeps it for ever; else a number of days up to {longest}.",
                id="controlplane.E011",
            )
        )
    if not 1 <= runs <= longest:
        problems.append(
            Error(
                f"SYNC_RUNS_KEPT_DAYS is {runs}: sync runs cannot be kept for so many days.",
                hint=f"14 is the default; at least 1 and at most {longest}.",
                id="controlplane.E012",
            )
        )
    if 0 < history < SHORT_HISTORY:
        problems.append(
            Caution(
                f"HISTORY_KEPT_DAYS is {history}: an auditor finds nothing about last month.",
                hint=f"Use {SHORT_HISTORY} or more, or 0 to keep it for ever.",
                id="controlplane.W011",
            )
        )
    return problems


@register()
def tickets(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        re.compile(settings.TICKET_PATTERN)
    except re.error as problem:
        hint = r"A regular expression that a whole ticket fits, such as OPS-\d+; leave it out for any or none."
        return [Error(f"TICKET_PATTERN is not a regular expression: {problem}.", hint=hint, id="controlplane.E013")]
    return []


@register()
def phone_region(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """The library has no numbering plan for an unknown region: every national number would be rejected."""
    if settings.PHONE_REGION in phonenumbers.SUPPORTED_REGIONS:
        return []
    return [
        Error(
            f"PHONE_REGION is {settings.PHONE_REGION[:20]!r}, which is not a country of two letters (ISO 3166-1).",
            hint="US, GB, DE, ...; leave it out for US.",
            id="controlplane.E020",
        )
    ]


@register()
def api(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.API_RATE_PER_MINUTE >= 1:
        return []
    hint = "Leave it out for 600 requests a minute and token, or set how many it may be."
    return [Error("API_RATE_PER_MINUTE is less than 1: the API could not be used.", hint=hint, id="controlplane.E014")]


@register()
def proxies(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.TRUSTED_PROXIES >= 0:
        return []
    return [
        Error(
            "TRUSTED_PROXIES is not a whole number from 0 to 99.",
            hint="How many proxies of yours append to X-Forwarded-For, one after another; 0 where there is none.",
            id="controlplane.E015",
        )
    ]


@register(Tags.security)
def real_account(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is convenient with the sandbox is unsafe with a real workspace's key."""
    if settings.ELEVENLABS_API_KEY == settings.SANDBOX_KEY:
        return []
    problems: list[CheckMessage] = []
    if settings.DEBUG:
        problems.append(
            Caution(
                "DEBUG is on with a real ElevenLabs key: error pages show what the process holds in memory.",
                hint="Set DEBUG=false, or leave the key out to use the sandbox.",
                id="controlplane.W001",
            )
        )
    if _is_open_http():
        problems.append(
            Caution(
                "HTTPS is off on an address that other machines can reach: passwords and tokens travel readably.",
                hint="Set HTTPS=true behind a proxy that speaks https, or keep ALLOWED_HOSTS to this machine.",
                id="controlplane.W002",
            )
        )
    return problems


@register(Tags.security, deploy=True)
def production(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < MIN_SECRET_KEY_CHARS:
        problems.append(
            Error(
                f"SECRET_KEY has fewer than {MIN_SECRET_KEY_CHARS} characters: sessions could be forged.",
                hint="python3 -c 'import secrets; print(secrets.token_urlsafe(50))' makes a good one.",
                id="controlplane.E005",
            )
        )
    if _is_open_http():
        problems.append(
            Error(
                "HTTPS is off, and ALLOWED_HOSTS has names that other machines can reach: sign-ins could be read.",
                hint="Set HTTPS=true (SERVER_HTTPS with docker compose), or keep ALLOWED_HOSTS to this machine.",
                id="controlplane.E021",
            )
        )
    if settings.ELEVENLABS_API_KEY == settings.SANDBOX_KEY:
        problems.append(
            Caution(
                "No ElevenLabs key is set, so the sandbox is used.",
                hint="Set ELEVENLABS_API_KEY, or ELEVENLABS_API_KEY_FILE.",
                id="controlplane.W003",
            )
        )
    return problems


def _is_open_http() -> bool:
    return not settings.HTTPS and bool(set(settings.ALLOWED_HOSTS) - LOOPBACK)
