"""Keeps at least one superuser who can sign in, however users are changed.

`save()` and `delete()` are guarded by signals. `QuerySet.update()` and SQL send none and are not guarded.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, pre_delete, pre_save

FLAGS = {"is_active": True, "is_staff": True, "is_superuser": True}  # a superuser needs all of them


class LastSuperuser(ValidationError):
    def __init__(self, person: object) -> None:
        super().__init__(f"{person} is the last active superuser: without one, roles could not be changed.")


def connect() -> None:
    pre_save.connect(_before_saving, sender=User, dispatch_uid="last_superuser")
    pre_delete.connect(_before_deleting, sender=User, dispatch_uid="last_superuser")
    post_delete.connect(_deleted, sender=User, dispatch_uid="last_superuser")


def refuse_if_last(person: User) -> None:
    """Raises `LastSuperuser`. The result holds until the end of the transaction, if there is one."""
    if lock() == [person.pk]:
        raise LastSuperuser(person)


def lock() -> list[int]:
    """Primary keys of the superusers. In a transaction, other callers wait for its end, so two superusers cannot demote
    each other concurrently. (SQLite has no row locks: there a transaction excludes others from its start.)"""
    rows = _superusers().order_by("pk")
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update(no_key=True)  # history entries with them as actor do not wait
    return [user.pk for user in rows]


def _superusers() -> QuerySet[User]:
    return User.objects.filter(**FLAGS)


def _before_saving(instance: User, update_fields: Iterable[str] | None = None, **more: Any) -> None:
    saved = FLAGS if update_fields is None else FLAGS.keys() & set(update_fields)
    loses = not all(getattr(instance, name) for name in saved)
    if loses and instance.pk and _superusers().filter(pk=instance.pk).exists():
        refuse_if_last(instance)


def _before_deleting(instance: User, **more: Any) -> None:
    instance._was_superuser = instance.pk in lock()  # type: ignore[attr-defined]


def _deleted(instance: User, **more: Any) -> None:
    """Runs after all users of a queryset are deleted, so that deleting two at once is caught too. The exception rolls
    the transaction back."""
    if instance._was_superuser and not _superusers().exists():  # type: ignore[attr-defined]
        raise LastSuperuser(instance)
