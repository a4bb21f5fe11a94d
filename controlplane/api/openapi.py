"""Adds every possible response, errors included, to the OpenAPI document."""

from typing import Any

from ninja.openapi.schema import OpenAPISchema

from controlplane.api.problems import MEDIA_TYPE, ProblemOut

OF_ALL = {
    400: "The body or the URL is malformed",
    411: "The body came without its length",
    413: "The body is too large",
    422: "Some values are wrong, or ElevenLabs refused them",
    429: "Too many requests with this token",
    500: "A fault of this app",
    503: "The database cannot be used now (`unavailable`), or took too long for this (`too-slow`)",
}
OF_SIGNED_IN = {401: "No access token that is good", 403: "You may not do this, or it was not sent over https"}
OF_TOKENS = {401: "Not right, or not good any more", 403: "Switched off, or not sent over https"}
OF_ONE = {404: "Not found"}
OF_WRITES = {
    409: "Not sent: the object is not as expected, another operation on it is open, or the key was used before",
    502: "ElevenLabs refused it for a reason that is not in the request",
    503: "Not sent (`not-sent`): ElevenLabs could not be reached, or the database could not record it. Or sent, and "
    "the result could not be recorded (`unconfirmed`): repeat the request with the same key",
}


def with_problems(document: OpenAPISchema) -> OpenAPISchema:
    document["components"]["schemas"].update(_schemas())
    for path, methods in document["paths"].items():
        for method, details in methods.items():
            for status, description in _responses(path, method, "security" in details).items():
                details["responses"].setdefault(status, _problem(description))
            if 202 in details["responses"]:
                details["responses"][202]["description"] = "Not decided yet: watch `url`"
    return document


def _responses(path: str, method: str, is_signed_in: bool) -> dict[int, str]:
    responses = OF_ALL | (OF_SIGNED_IN if is_signed_in else OF_TOKENS)
    if "{" in path:
        responses |= OF_ONE
    return responses | (OF_WRITES if is_signed_in and method != "get" else {})


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }


def _schemas() -> dict[str, Any]:
    schema = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), "ProblemOut": schema}
