"""Middleware for ended sessions in htmx requests, NUL characters, and an unavailable audit log."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.core.paginator import InvalidPage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.utils.http import urlencode

from controlplane.api.middleware import PREFIX
from controlplane.audit.unavailable import AuditUnavailable, track_sending

HTMX_STOP_POLLING = 286  # htmx: swap, and poll no more


class HtmxLoginMiddleware:
    """A fragment of a page is never answered with the sign-in page, which would be poured into a cell of a table."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        if request.headers.get("HX-Request") != "true" or not response.headers.get("Location", "").startswith(sign_in):
            return response
        if request.headers.get("HX-Target") == "cp-dialog":
            here = resolve_url(settings.LOGIN_REDIRECT_URL)
            return HttpResponse(headers={"HX-Redirect": f"{sign_in}?{urlencode({'next': here})}"})
        return HttpResponse(status=HTMX_STOP_POLLING, headers={"HX-Reswap": "none"})  # what is typed on the page stays


class RejectNulMiddleware:
    """PostgreSQL keeps no NUL in a text: a request that holds one in its URL, a cookie or a form is refused before
    anything looks for it. Its value is not shown or logged: it may be a credential."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path:
            return self.refused()
        if any("\0" in value for value in request.COOKIES.values()):  # a cookie may spell it \000
            return self.refused()
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Here and not before: a URL that is not there needs no form to be read. The API reads its bodies itself."""
        if request.path_info.startswith(PREFIX):
            return None
        if any("\0" in value for name, values in request.POST.lists() for value in (name, *values)):
            return self.refused()
        return None

    @staticmethod
    def refused() -> HttpResponse:
        return HttpResponseBadRequest(render_to_string("400.html"))


class InvalidPageMiddleware:
    """A page number comes from the URL, and the theme's own views accept any."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        if isinstance(exception, InvalidPage):
            raise Http404 from exception


class AuditUnavailableMiddleware:
    """Where no form is there to say it (`operations.pages.refuse`), a page does. It asks the database nothing."""

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
