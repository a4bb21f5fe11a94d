"""Turns every error under `/api/` into a problem document, and limits the size of bodies."""

import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from controlplane.api.problems import MEDIA_TYPE, Problem, answer

PREFIX = "/api/"
TOKENS = "/api/token"
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
MESSAGES = {
    400: "The request is malformed.",
    404: "Not found. /api/docs lists the URLs; none ends in a slash.",
    405: "Method not allowed.",
    500: "Internal error. If it was a write, look at /api/operations for its result.",
    503: "The service is not available now.",
}


class ProblemJsonMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        if wrong := _not_taken(request):
            return answer(wrong)
        response = _of_head(request, self.get_response) if request.method == "HEAD" else self.get_response(request)
        if response.status_code >= 400 and response.get("Content-Type") != MEDIA_TYPE:
            response = _as_problem(response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _not_taken(request: HttpRequest) -> Problem | None:
    """What is wrong with a request before anything of it is looked at."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():  # but for the pages, which were redirected before
        return Problem(403, "https-only", "Use https. A token or password that was sent like this may have been read.")
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        return Problem(411, "length-required", "Send the length of the body in Content-Length.")
    of_token = request.path_info.startswith(TOKENS)
    most = settings.API_MOST_BYTES_OF_A_TOKEN if of_token else settings.API_MOST_BYTES
    if _size(request) > most:
        return Problem(413, "too-large", f"The body of this request may have {most:,} bytes at most.")
    return None


def _of_head(request: HttpRequest, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """As to a GET; the server leaves the body out, so it has to know."""
    request.method = "GET"
    response = get_response(request)
    request.method = "HEAD"
    return response


def _size(request: HttpRequest) -> int:
    said = request.META.get("CONTENT_LENGTH") or "0"
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 19 else settings.API_MOST_BYTES + 1


def _as_problem(response: HttpResponse) -> HttpResponse:
    status = response.status_code
    phrase = HTTPStatus(status).phrase
    code = re.sub(r"[^a-z]+", "-", phrase.lower())
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return answer(Problem(status, code, MESSAGES.get(status, f"{phrase}."), headers=headers))
