"""The API put together, and its OpenAPI document. On top of everything, as the pages of this folder are."""

from typing import Any

from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from agents import api as agents
from controlplane.api import operations, problems, sign_in, sync
from controlplane.api.document import with_problems
from controlplane.dashboard.history import api as history
from numbers import api as numbers
from numbers import api_import


class Api(NinjaAPI):
    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> OpenAPISchema:
        return with_problems(super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params))


api = Api(
    title="Agent Control Plane",
    version="1",
    urls_namespace="api",
    docs_decorator=require_safe,
    description=(
        "Agents and phone numbers of one ElevenLabs workspace, with the permissions, the journal and the history of "
        "the pages. docs/api.md tells how to get a token."
    ),
)
problems.handle(api)
for part in (sign_in, agents, api_import, numbers, operations, sync, history):
    api.add_router("", part.router)
