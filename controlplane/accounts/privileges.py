"""Prevents users from granting or taking over permissions that they do not have."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet


def permissions_of(user: Any) -> QuerySet[Permission]:
    """By roles and directly, also for a deactivated user. (A superuser's implicit permissions are not included.)"""
    return Permission.objects.filter(Q(user=user) | Q(group__user=user))


def exceeds(person: User, user: Any) -> bool:
    """Whether `person` has permissions that `user` does not have. Then a new password, or a token, would hand them
    over."""
    if user.is_superuser:
        return False
    return person.is_superuser or permissions_of(person).exclude(pk__in=permissions_of(user)).exists()


def grantable_roles(user: Any) -> QuerySet[Group]:
    roles = Group.objects.order_by("name")
    if user.is_superuser:
        return roles
    return roles.exclude(permissions__in=Permission.objects.exclude(pk__in=permissions_of(user)))
