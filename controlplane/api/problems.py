"""Errors as `application/problem+json` (RFC 9457)."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError

from controlplane.audit.justification import ReasonRequired
from controlplane.audit.unavailable import AuditUnavailable, may_have_been_sent
from controlplane.error_pages import UNUSABLE, UNUSABLE_WORDS, too_long_words
from controlplane.operations.errors import Expired, KeyReused, ResourceLocked
from controlplane.operations.models import Operation
from controlplane.statement_timeout import took_too_long

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
TYPE = "urn:agent-control-plane:problem:"
MAX_NAME_CHARS = 200  # of a field name, which the caller may have made up


class Wrong(Schema):
    field: str
    detail: str


class ProblemOut(Schema):
    """`type` ends in a machine-readable code; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    operation: int | None = None
    trace_id: str | None = None
    fields: list[Wrong] | None = None


class Problem(Exception):
    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        operation: int | None = None,
        trace_id: str = "",
        fields: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.operation, self.trace_id, self.fields = operation, trace_id, fields
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> HttpResponse:
    document: dict[str, Any] = {
        "type": TYPE + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.operation is not None:
        document["operation"] = problem.operation
    if problem.trace_id:
        document["trace_id"] = problem.trace_id
    if problem.fields:
        document["fields"] = [{"field": name[:MAX_NAME_CHARS], "detail": detail} for name, detail in problem.fields]
    return HttpResponse(json.dumps(document), status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers)


def invalid(fields: Sequence[tuple[str, str]], detail: str = "Nothing was done: some fields are wrong.") -> Problem:
    return Problem(422, "invalid", detail, fields=fields)


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="api"'})


def key_reused(first: Operation | None) -> Problem:
    return Problem(
        409,
        "key-reused",
        "Not sent. This Idempotency-Key was already used with another request.",
        operation=first.pk if first else None,
    )


def problem_from_database_error(request: HttpRequest, error: Error) -> Problem:
    """A database failure as a problem. For writes, it says whether the request may be repeated. Token endpoints do not
    count as writes: they send nothing to ElevenLabs."""
    log.error("The database failed under %s %s.", request.method, request.path, exc_info=error)
    if may_have_been_sent():
        return Problem(
            503,
            "unconfirmed",
            "Sent to ElevenLabs, but the result could not be recorded here. A worker will determine it. Repeat the "
            "request with the same Idempotency-Key: it is not sent twice, and the answer has the result.",
        )
    if request.method != "GET" and not request.path_info.startswith("/api/token"):
        return Problem(503, "not-sent", str(AuditUnavailable()))
    if took_too_long(error):
        return Problem(503, "too-slow", too_long_words())
    return Problem(503, "unavailable", UNUSABLE_WORDS)


def problem_from_exception(error: Exception) -> Problem:
    """The problem for each exception that services raise."""
    match error:
        case Problem():
            return error
        case ResourceLocked():
            return Problem(409, "held", str(error), operation=error.operation.pk)
        case KeyReused():
            return key_reused(error.first if isinstance(error.first, Operation) else None)
        case Expired():
            return Problem(409, "expired", "Not sent. The check took too long; try again with another key.")
        case AuditUnavailable():
            return Problem(503, "not-sent", str(error))
        case ReasonRequired():
            return invalid(list(error.problems.items()), str(error))
        case PermissionDenied():
            return Problem(403, "forbidden", "You may not do this.")
        case Http404():
            return Problem(404, "not-found", "Not found.")
        case ValidationError():
            return invalid([(_place(one["loc"]), one["msg"].removeprefix("Value error, ")) for one in error.errors])
        case HttpError(status_code=400):  # the framework raises a 400 only for an unreadable body
            return Problem(400, "malformed", f"The body cannot be read. {error.__cause__}")
        case HttpError():
            return Problem(error.status_code, "refused", HTTPStatus(error.status_code).phrase)
    raise error


def _place(loc: Sequence[str | int]) -> str:
    """("body", "body", "tags", 0) -> "tags.0". The value itself is never repeated: it may be a credential."""
    source, *steps = loc
    return ".".join(str(step) for step in (steps[1:] if source == "body" else steps)) or str(source)


def register_handlers(api: NinjaAPI) -> None:
    for kind in (
        *(Problem, ResourceLocked, KeyReused, Expired, AuditUnavailable, ReasonRequired),
        *(PermissionDenied, Http404, ValidationError, HttpError),
    ):
        api.add_exception_handler(kind, _handler)
    for unusable in UNUSABLE:
        api.add_exception_handler(unusable, _database_handler)


def _handler(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(problem_from_exception(error))


def _database_handler(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(problem_from_database_error(request, error))
