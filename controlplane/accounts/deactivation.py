"""Deactivates users in place of deleting them, so that the history still names them."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from unfold.admin import ModelAdmin

from controlplane.accounts import last_superuser
from controlplane.lookups import get_row_or_404
from controlplane.pages import current_staff, render_page


def deletion_page(people: ModelAdmin, request: HttpRequest, pk: str) -> HttpResponse:
    """The page at the admin's deletion URL: it explains why users are not deleted, and offers to deactivate."""
    if request.method not in ("GET", "HEAD"):
        raise PermissionDenied  # users are never deleted
    person = _person(people, request, pk)
    context = {
        "title": f"Deactivate {person}",
        "person": person,
        "why_not": why_not(person, current_staff(request)),
    }
    return render_page(request, "people/deactivate.html", context)


def deactivate(people: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    person = _person(people, request, str(pk))
    _deactivate(request, [person])
    return redirect("admin:auth_user_change", person.pk)


def deactivate_all(people: ModelAdmin, request: HttpRequest, chosen: QuerySet[User]) -> None:
    """The bulk action. Users with more permissions than the caller are left out, with a message."""
    allowed = [person for person in chosen.order_by("username") if people.has_change_permission(request, person)]
    skipped = chosen.count() - len(allowed)
    if skipped:
        messages.error(request, f"{skipped} of them may do more than you: nothing was changed on these.")
    _deactivate(request, allowed)


NOT_YOURSELF = {
    "is_active": "You cannot deactivate yourself: ask another administrator.",
    "is_staff": "You cannot take staff status from yourself: ask another administrator.",
    "is_superuser": "You cannot take superuser status from yourself: ask another superuser.",
}


def why_not(person: User, actor: User, flag: str = "is_active") -> str:
    """Why this flag cannot be switched off, as a message; empty if it can."""
    if not getattr(person, flag):
        return f"{person} is deactivated already."
    if person == actor:
        return NOT_YOURSELF[flag]
    try:
        last_superuser.refuse_if_last(person)
    except last_superuser.LastSuperuser as problem:
        return str(problem.message)
    return ""


def _deactivate(request: HttpRequest, people: list[User]) -> None:
    done = []
    with transaction.atomic():
        last_superuser.lock()  # locked before the other rows, as in every transaction, so there is no deadlock
        for person in User.objects.select_for_update().filter(pk__in=[one.pk for one in people]).order_by("username"):
            if problem := why_not(person, current_staff(request)):
                messages.error(request, problem)
                continue
            person.is_active = False
            person.save(update_fields=["is_active"])  # one by one: each is recorded in the history
            done.append(str(person))
    if done:
        messages.success(request, f"Deactivated {', '.join(done)}. The history keeps the name; no account was deleted.")


def _person(people: Any, request: HttpRequest, pk: str) -> User:
    if not request.user.has_perm("auth.change_user"):
        raise PermissionDenied
    person = get_row_or_404(User, pk)
    if not people.has_change_permission(request, person):
        raise PermissionDenied
    return person
