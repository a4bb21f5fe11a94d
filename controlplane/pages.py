"""Renders pages within the admin's frame, and leads back from them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect


def current_staff(request: HttpRequest) -> User:
    """The signed-in user. Every caller requires a permission, so an anonymous user never gets here."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int | None = None
) -> HttpResponse:
    """A whole page, or only its content if a dialog (htmx) asks for it. `frame` is the base that the template extends.

    The status is 422 if the form in the context has errors.
    """
    form = context.get("form")
    if status is None:
        status = getattr(form, "error_status", 422) if form is not None and form.errors else 200
    frame = "controlplane/dialog.html" if is_dialog(request) else "controlplane/page.html"
    whole = {**admin.site.each_context(request), "subtitle": None, **context, "frame": frame}
    return TemplateResponse(request, template, whole, status=status)


def is_dialog(request: HttpRequest) -> bool:
    return bool(request.htmx)  # type: ignore[attr-defined] # set by django-htmx's middleware


def redirect_page(request: HttpRequest, url: str) -> HttpResponse:
    """Redirects the browser, also if the form is in a dialog."""
    return HttpResponseClientRedirect(url) if is_dialog(request) else HttpResponseRedirect(url)


def previous_url(request: HttpRequest, default: str) -> str:
    """The page on which the user clicked, if it is one of this site."""
    url = request.htmx.current_url if is_dialog(request) else request.headers.get("Referer")  # type: ignore[attr-defined]
    url = url or ""
    safe = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if safe else default
