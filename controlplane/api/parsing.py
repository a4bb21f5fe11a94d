"""Strict parsing of requests: an unknown field or parameter is an error."""

from collections.abc import Collection
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from controlplane import strict_json
from controlplane.api.problems import invalid


class StrictParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.loads(request.body)


def reject_unknown(request: HttpRequest, names: Collection[str]) -> None:
    """Raises a 422 for a query parameter that is unknown or given more than once."""
    unknown = [(name, "Unknown query parameter.") for name in request.GET if name not in names]
    repeated = [
        (name, "This query parameter is given more than once.")
        for name, values in request.GET.lists()
        if len(values) > 1
    ]
    if unknown or repeated:
        raise invalid(unknown or repeated)
