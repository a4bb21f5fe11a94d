"""Assembles the API and its OpenAPI document."""

from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from agents import api as agents
from controlplane.api import operations, problems, sign_in, sync
from controlplane.api.openapi import with_problems
from controlplane.api.parsing import StrictParser, reject_unknown
from controlplane.history import api as history
from numbers import api as numbers
from numbers import api_import

HEADINGS = {
    "Tokens": "Authentication: sign in, refresh the access token every few minutes, revoke a token.",
    "Agents": "What answers calls. Each write is one operation at ElevenLabs.",
    "Numbers": "Twilio numbers, and which agent answers each.",
    "Operations": "Every write to ElevenLabs and its result. Poll here after an answer of 202.",
    "Sync": "Have a worker read everything from ElevenLabs again.",
    "History": "Everything that happened, by whomever it was done.",
}


class Api(NinjaAPI):
    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> OpenAPISchema:
        return with_problems(super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """ninja calls this after authentication and before it parses the request."""
        match = request.resolver_match
        reject_unknown(request, self._queries[str(request.method), match.route if match else ""])
        return super().create_temporal_response(request)

    @cached_property
    def _queries(self) -> dict[tuple[str, str], set[str]]:
        """{(method, route): the query parameters that the OpenAPI document declares}."""
        return {
            (method.upper(), path.lstrip("/").replace("{", "<").replace("}", ">")): {
                one["name"] for one in details["parameters"] if one["in"] == "query"
            }
            for path, methods in self.get_openapi_schema()["paths"].items()
            for method, details in methods.items()
        }


api = Api(
    title="Agent Control Plane",
    version="1",
    urls_namespace="api",
    docs_decorator=require_safe,
    parser=StrictParser(),
    openapi_extra={"tags": [{"name": name, "description": words} for name, words in HEADINGS.items()]},
    description=(
        "Agents and phone numbers of one ElevenLabs workspace, with the permissions, the journal and the history of "
        "the pages. docs/api.md describes how to get a token."
    ),
)
problems.register_handlers(api)
for part in (sign_in, agents, api_import, numbers, operations, sync, history):
    api.add_router("", part.router)
api.add_router("", numbers.plain_router())
