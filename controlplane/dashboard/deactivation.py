"""Deactivates users in place of deleting them, so that the history still names them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from unfold.admin import ModelAdmin

from controlplane.dashboard import last_superuser
from controlplane.lookups import get_row_or_404
from controlplane.operations.form_flow import current_staff, render_form


def instead_of_deletion(people: ModelAdmin, request: HttpRequest, pk: str) -> HttpResponse:
    """The page at the address where the admin would delete: it says why not, and offers to deactivate."""
    if request.method not in ("GET", "HEAD"):
        raise PermissionDenied  # nobody is deleted, whoever asks
    person = _person(people, request, pk)
    context = {
        **admin.site.each_context(request),
        "title": f"Deactivate {person}",
        "subtitle": None,
        "person": person,
        "why_not": why_not(person, current_staff(request)),
    }
    return render_form(request, "people/deactivate.html", context)


def deactivate(people: ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    person = _person(people, request, str(pk))
    _deactivate(request, [person])
    return redirect("admin:auth_user_change", person.pk)


def deactivate_all(people: ModelAdmin, request: HttpRequest, chosen: QuerySet[User]) -> None:
    """The action of the list. Who may do more than the one who asks is left out, and that is said."""
    allowed = [person for person in chosen.order_by("username") if people.has_change_permission(request, person)]
    beyond = chosen.count() - len(allowed)
    if beyond:
        messages.error(request, f"{beyond} of them may do more than you: nothing was changed on these.")
    _deactivate(request, allowed)


NOT_YOURSELF = {
    "is_active": "You cannot deactivate yourself: ask another administrator.",
    "is_staff": "You cannot take staff status from yourself: ask another administrator.",
    "is_superuser": "You cannot take superuser status from yourself: ask another superuser.",
}


def why_not(person: User, actor: User, flag: str = "is_active") -> str:
    """Why this flag cannot be switched off, in words; empty where it can be done."""
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
        last_superuser.lock()  # before the rows of the others, as every transaction does: none waits in a circle
        for person in User.objects.select_for_update().filter(pk__in=[one.pk for one in people]).order_by("username"):
            if problem := why_not(person, current_staff(request)):
                messages.error(request, problem)
                continue
            person.is_active = False
            person.save(update_fields=["is_active"])  # one by one: each is told in the history
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
