"""Service accounts: users for programs, with roles and without access to the admin."""

from collections.abc import Iterable

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet


def service_accounts() -> QuerySet[User]:
    without = {"password__startswith": UNUSABLE_PASSWORD_PREFIX}
    return User.objects.filter(**without, is_staff=False).order_by("username")


@transaction.atomic
def create(username: str, roles: Iterable[Group]) -> User:
    user = User(username=username, is_staff=False)
    user.set_unusable_password()
    user.full_clean()
    user.save()
    user.groups.set(roles)
    return user
