"""Turns every error under `/api/` into a problem document, and limits the size of bodies."""

import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from controlplane.api.problems import MEDIA_TYPE, Problem, problem_response

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
        if problem := _rejection(request):
            return problem_response(problem)
        response = (
            _head_response(request, self.get_response) if request.method == "HEAD" else self.get_response(request)
        )
        if response.status_code >= 400 and response.get("Content-Type") != MEDIA_TYPE:
            response = _as_problem(response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def _rejection(request: HttpRequest) -> Problem | None:
    """Checks made before anything else of the request is read."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():  # pages were redirected before, by SecurityMiddleware
        return Problem(403, "https-only", "Use https. A token or password that was sent like this may have been read.")
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        return Problem(411, "length-required", "Send the length of the body in Content-Length.")
    is_token_url = request.path_info.startswith(TOKENS)
    max_bytes = settings.API_MAX_TOKEN_BODY_BYTES if is_token_url else settings.API_MAX_BODY_BYTES
    if _size(request) > max_bytes:
        return Problem(413, "too-large", f"The body of this request may have {max_bytes:,} bytes at most.")
    return None


def _head_response(request: HttpRequest, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """Handle a HEAD as a GET. The server drops the body, so the method is restored for it."""
    request.method = "GET"
    response = get_response(request)
    request.method = "HEAD"
    return response


def _size(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return (
        int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else settings.API_MAX_BODY_BYTES + 1
    )


def _as_problem(response: HttpResponse) -> HttpResponse:
    status = response.status_code
    phrase = HTTPStatus(status).phrase
    code = re.sub(r"[^a-z]+", "-", phrase.lower())
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    return problem_response(Problem(status, code, MESSAGES.get(status, f"{phrase}."), headers=headers))
