"""Sets the device cookie, and shows the page of a locked sign-in."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from controlplane.sign_in import devices
from controlplane.sign_in.backend import ATTEMPT
from controlplane.sign_in.limits import Attempt, Locked


class SignInLimits:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        attempt: Attempt | None = getattr(request, ATTEMPT, None)
        if attempt and attempt.signed_in and attempt.signed_in == request.user:  # an API sign-in creates no session
            devices.remember(request, response, attempt.signed_in)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Locked):
            return None
        page = render_to_string("locked_out.html", {"locked": exception})
        headers = {"Retry-After": str(exception.seconds)}
        return HttpResponse(page, status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
