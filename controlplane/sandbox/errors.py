"""Error responses, in the four shapes of the real service.

A, current: `{"detail": {type, code, message, status, request_id, param?}}`; B, legacy: `{"detail": {status, message}}`;
C, a 422 with a list; D, plain text in `detail`. https://elevenlabs.io/docs/eleven-api/resources/errors
"""

from collections.abc import Sequence
from typing import Any

from .messages import Answer, Json


class Refusal(Exception):
    """The request is refused, and nothing was changed."""

    def __init__(self, http: int, detail: Any, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(http)
        self.http = http
        self.detail = detail
        self.headers = headers or {}

    def answer(self, trace_id: str) -> Answer:
        detail = self.detail
        if isinstance(detail, dict) and "type" in detail:
            detail = {**detail, "request_id": trace_id}
        return Answer({"detail": detail}, status=self.http, headers=self.headers)


def current(http: int, kind: str, code: str, message: str, *, status: str = "", param: str = "") -> Refusal:
    detail: Json = {"type": kind, "code": code, "message": message, "status": status or code}
    if param:
        detail["param"] = param
    return Refusal(http, detail)


def legacy(http: int, status: str, message: str) -> Refusal:
    return Refusal(http, {"status": status, "message": message})


def plain(http: int, text: str, **headers: str) -> Refusal:
    return Refusal(http, text, headers=headers)


def invalid(param: str, message: str) -> Refusal:
    """For a violated business rule, as opposed to the shape of the body (422)."""
    return current(400, "validation_error", "invalid_parameters", message, param=param)


def unprocessable(errors: Sequence[Json]) -> Refusal:
    return Refusal(422, list(errors))


def document_not_found(document_id: str) -> Refusal:
    return legacy(404, "document_not_found", f"Document with id {document_id} not found.")


def invalid_cursor() -> Refusal:
    return current(
        400, "validation_error", "invalid_cursor", "The cursor is not valid for this listing.", param="cursor"
    )


def sample(http: int) -> Refusal:
    """A plausible body for a status that a scripted fault requests without a body."""
    match http:
        case 400:
            return invalid("body", "The request could not be handled.")
        case 401:
            return current(401, "authentication_error", "unauthorized", "Invalid API key", status="invalid_api_key")
        case 402:
            return current(402, "payment_required", "insufficient_credits", "This request exceeds your quota.")
        case 403:
            return current(403, "authorization_error", "forbidden", "You do not have access to this resource.")
        case 404:
            return document_not_found("unknown")
        case 409:
            return current(409, "conflict", "conflict", "The request conflicts with another one.")
        case 422:
            return unprocessable(
                [{"type": "missing", "loc": ["body", "field"], "msg": "Field required", "input": None}]
            )
        case 429:
            return current(
                429,
                "rate_limit_error",
                "concurrent_limit_exceeded",
                "Too many concurrent requests. Your current subscription is associated with a maximum of 4 concurrent "
                "requests (running in parallel).",
                status="too_many_concurrent_requests",
            )
        case 503:
            return current(503, "service_unavailable", "service_unavailable", "The service is temporarily unavailable.")
        case _:
            return current(http, "internal_error", "internal_error", "An unexpected error occurred.")
