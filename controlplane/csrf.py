"""The page shown when a form fails the CSRF check."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import (
    REASON_BAD_ORIGIN,
    REASON_BAD_REFERER,
    REASON_INSECURE_REFERER,
    REASON_MALFORMED_REFERER,
    REASON_NO_REFERER,
)
from django.template.loader import render_to_string

# The part of each message before the value that the browser sent. The value itself is not shown.
OF_THE_ORIGIN = tuple(
    reason.partition("%s")[0]
    for reason in (
        *(REASON_BAD_ORIGIN, REASON_BAD_REFERER),
        *(REASON_INSECURE_REFERER, REASON_MALFORMED_REFERER, REASON_NO_REFERER),
    )
)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    is_origin = reason.startswith(OF_THE_ORIGIN)
    return HttpResponse(render_to_string("403_csrf.html", {"is_origin": is_origin}), status=HTTPStatus.FORBIDDEN)
