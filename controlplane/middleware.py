"""Middleware for ended sessions in htmx requests, NUL characters, and an unavailable audit log."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect, HttpResponseStopPolling, reswap

from controlplane.api.middleware import PREFIX
from controlplane.audit.unavailable import AuditUnavailable, track_sending


class HtmxLoginMiddleware:
    """Never returns the sign-in page for a page fragment: it would be inserted into a table cell."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        htmx = request.htmx  # type: ignore[attr-defined]
        if not htmx or not response.headers.get("Location", "").startswith(sign_in):
            return response
        if htmx.target == "cp-dialog":
            start_page = resolve_url(settings.LOGIN_REDIRECT_URL)
            return HttpResponseClientRedirect(f"{sign_in}?{urlencode({'next': start_page})}")
        return reswap(HttpResponseStopPolling(), "none")  # keeps what the user typed on the page


class RejectNulMiddleware:
    """PostgreSQL stores no NUL in text: a request with one in its URL, a cookie or a form is rejected before any
    lookup. The value is neither shown nor logged: it may be a credential."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path:
            return self.refused()
        if any("\0" in value for value in request.COOKIES.values()):  # a cookie may encode it as \000
            return self.refused()
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Form data is checked here, and not in `__call__`, so that no form is read for a URL that does not exist. The
        API parses its bodies itself."""
        if request.path_info.startswith(PREFIX):
            return None
        if any("\0" in value for name, values in request.POST.lists() for value in (name, *values)):
            return self.refused()
        return None

    @staticmethod
    def refused() -> HttpResponse:
        return HttpResponseBadRequest(render_to_string("400.html"))


class InvalidPageMiddleware:
    """Page numbers come from the URL, and the theme's own views do not validate them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        if isinstance(exception, InvalidPage):
            raise Http404 from exception


class AuditUnavailableMiddleware:
    """Shows a page where no form can show the error (`operations.pages.refuse`). Makes no database queries."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with track_sending():
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, AuditUnavailable):
            return None
        page = render_to_string("not_recorded.html", {"said": str(exception)})
        return HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
