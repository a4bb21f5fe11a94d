"""Validates bodies and queries, with FastAPI's 422 responses."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from .errors import Refusal, unprocessable
from .messages import Json

T = TypeVar("T")


def parse_json(body: bytes) -> Any:
    """The decoded body, or None for an empty one. NaN and Infinity are not JSON and are rejected."""
    if not body:
        return None
    try:
        value = json.loads(body, parse_constant=refuse_constant)
        if b"\\ud" in body.lower():  # an escaped surrogate: a lone one is not valid text, and no database stores it
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        position = error.pos if isinstance(error, json.JSONDecodeError) else 0
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "Not JSON in UTF-8, or nested too deeply"
        raise unprocessable(
            [
                {
                    "type": "json_invalid",
                    "loc": ["body", position],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": reason},
                }
            ]
        ) from None


def refuse_constant(name: str) -> Any:
    raise ValueError(name)


def parse_body(model: TypeAdapter[T], body: bytes) -> T:
    value = parse_json(body)
    if value is None and not body:
        raise unprocessable([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    try:
        return model.validate_python(value)
    except ValidationError as error:
        raise unprocessable(details(error, "body")) from None
    except RecursionError:
        raise too_deep() from None


def parse_query(model: type[BaseModel], query: dict[str, list[str]]) -> BaseModel:
    """A parameter given twice is a list if the model expects one; otherwise the last one counts, as in Starlette."""
    values: Json = {}
    for name, given in query.items():
        field = model.model_fields.get(name)
        if field is not None:
            values[name] = given if "list" in str(field.annotation) else given[-1]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise unprocessable(details(error, "query")) from None


def details(error: ValidationError, where: str) -> list[Json]:
    found: list[Json] = []
    for each in error.errors(include_url=False):
        entry: Json = {"type": each["type"], "loc": [where, *each["loc"]], "msg": each["msg"], "input": each["input"]}
        if "ctx" in each:
            entry["ctx"] = {name: value if is_plain(value) else str(value) for name, value in each["ctx"].items()}
        found.append(entry)
    return found


def is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def too_deep() -> Refusal:
    return unprocessable([{"type": "recursion_loop", "loc": ["body"], "msg": "Nested too deeply", "input": {}}])


def unknown_choice(what: str) -> PydanticCustomError:
    return PydanticCustomError("enum", "Input should be a known {what}", {"what": what})
