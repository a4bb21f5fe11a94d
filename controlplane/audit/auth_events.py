"""Records sign-ins and changes of users and roles. Uses signals, because the shell and management commands change them
too."""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import signals
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.http import HttpRequest, HttpResponse

from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.client_address import client_address

UNKNOWN_USER = "an unknown user name"  # a password may be typed there by mistake, so the name is not stored
FLAGS = {"is_active": "active", "is_staff": "staff", "is_superuser": "superuser"}

_current_user: ContextVar[User | None] = ContextVar("current_user", default=None)


class CurrentUserMiddleware:
    """Remembers the user of the current request, as the actor of the changes it makes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        token = _current_user.set(user if user is not None and user.is_authenticated else None)
        try:
            return self.get_response(request)
        finally:
            _current_user.reset(token)


def connect() -> None:
    signals.user_logged_in.connect(_signed_in, dispatch_uid="audit")
    signals.user_logged_out.connect(_signed_out, dispatch_uid="audit")
    signals.user_login_failed.connect(_failed, dispatch_uid="audit")
    pre_save.connect(_before_saving, sender=User, dispatch_uid="audit")
    post_save.connect(_saved, sender=User, dispatch_uid="audit")
    post_delete.connect(_deleted, sender=User, dispatch_uid="audit")
    post_delete.connect(_deleted, sender=Group, dispatch_uid="audit")
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_granted_or_revoked, sender=through, dispatch_uid="audit")


def _record(row: User | Group | None, verb: str, message: str, *, actor: User | None = None, name: str = "") -> None:
    actor = actor or _current_user.get()
    cause = ledger.Cause(
        Entry.Cause.PERSON, "", actor, actor.get_username() if actor else ledger.SYSTEM
    )  # the first administrator is created by a command, so "system" may also be a person
    kind = "role" if isinstance(row, Group) else "person"
    with transaction.atomic():
        ledger.record(
            ledger.entry(
                f"{kind}.{verb}", kind, str(row.pk) if row else "", str(row) if row else name, after={"told": message},
                cause=cause,
            )
        )  # fmt: skip


def _signed_in(user: User, request: HttpRequest, **more: Any) -> None:
    _record(user, "signed_in", f"signed in{_from(request)}", actor=user)


def _signed_out(user: User | None, request: HttpRequest, **more: Any) -> None:
    if user is not None:
        _record(user, "signed_out", "signed out", actor=user)


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any) -> None:
    user = User.objects.filter(username=str(credentials.get("username", ""))[:150].replace("\0", "")).first()
    _record(user, "failed", f"failed to sign in{_from(request)}", name=UNKNOWN_USER)


def _from(request: HttpRequest | None) -> str:
    address = client_address(request) if request is not None else ""
    return f" from {address}" if address else ""


def _before_saving(instance: User, **more: Any) -> None:
    instance._stored = User.objects.filter(pk=instance.pk).first() if instance.pk else None  # type: ignore[attr-defined]


def _saved(instance: User, created: bool, **more: Any) -> None:
    before: User | None = getattr(instance, "_stored", None)
    if created or before is None:
        _record(instance, "added", "was added")
        return
    for field, word in FLAGS.items():
        if getattr(before, field) != (now := getattr(instance, field)):
            _record(instance, "changed", f"is {word} now" if now else f"is not {word} any more")
    if before.password != instance.password and not _is_rehashed(before, instance):
        _record(instance, "changed", "has a new password")
    if before.username != instance.username:
        _record(instance, "changed", f"was called {before.username}")


def _is_rehashed(before: User, now: User) -> bool:
    """At sign-in Django may store the same password again with more rounds."""
    return getattr(now, "_password", None) is None and before.password.split("$")[0] == now.password.split("$")[0]


def _deleted(instance: User | Group, **more: Any) -> None:
    _record(instance, "deleted", "was deleted")


def _granted_or_revoked(
    instance: Any, action: str, reverse: bool, model: type[Group | Permission], pk_set: set[int] | None, **more: Any
) -> None:
    if action == "pre_clear":
        owned = (
            instance.groups if model is Group else getattr(instance, "user_permissions", None) or instance.permissions
        )
        instance._cleared = set(owned.values_list("pk", flat=True)) if not reverse else set()
        return
    verbs = {"post_add": "was given", "post_remove": "lost", "post_clear": "lost"}
    if action not in verbs:
        return
    pks = pk_set if pk_set is not None else getattr(instance, "_cleared", set())
    if reverse:  # a role assigned to users, from the role's side
        for person in model._default_manager.filter(pk__in=pks):
            _record(person, "changed", f"{verbs[action]} {instance}")  # type: ignore[arg-type]
    elif pks:
        names = ", ".join(_names(model, pks))
        _record(instance, "changed", f"{verbs[action]} {'the role' if model is Group else 'the right'} {names}")


def _granted(row: Any, model: type[Group | Permission]) -> set[int]:
    if model is Group:
        return set(row.groups.values_list("pk", flat=True))
    rights = row.permissions if isinstance(row, Group) else row.user_permissions
    return set(rights.values_list("pk", flat=True))


def _names(model: type[Group | Permission], pks: Iterable[int]) -> list[str]:
    field = "name" if model is Group else "codename"
    return sorted(model._default_manager.filter(pk__in=list(pks)).values_list(field, flat=True))
