"""Merges a change into an agent's workflow and validates it.

A PATCH merges every other part of an agent into the stored one, but a `workflow` replaces the stored workflow
(docs/assumptions.md, 12). A change is therefore merged locally by the rules of a JSON Merge Patch (RFC 7386: null
removes a key), and the workflow is sent whole. It is validated against `workflow_schema.json`, an excerpt of
ElevenLabs' OpenAPI document; `python -m agents.workflow OPENAPI.json` regenerates that file from a newer document.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from controlplane.mirror.json_paths import get, is_same, keys, nest

PART = "workflow"
SCHEMA_FILE = Path(__file__).with_name("workflow_schema.json")
ROOT_MODEL = "AgentWorkflowRequestModel"
# Descriptions, and lists of allowed values: those grow with every release (a new LLM) and are left to ElevenLabs.
OMITTED_KEYS = {"title", "description", "example", "examples", "enum", "discriminator", "deprecated", "format"}
TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}

Json = dict[str, Any]


def is_in_workflow(path: str) -> bool:
    return path == PART or path.startswith(f"{PART}.")


def merged(current: Any, patch: Any) -> Any:
    """Applies a JSON Merge Patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def changed(current: Json | None, values: Mapping[str, Any]) -> Json:
    """The whole workflow with `values` merged in: {path: value}, where the paths start with "workflow."."""
    whole: Json = merged(current, nest(values)[PART])
    return whole


def has_value(agent: Mapping[str, Any], path: str, value: Any) -> bool:
    """Whether the agent's JSON has `value` at `path`. A removed key counts if it is absent or has its default."""
    now = get(agent, path)
    if is_same(now, value) or not is_in_workflow(path):
        return is_same(now, value)
    if value == {}:  # merging it into an object changes nothing
        return isinstance(now, dict)
    return value is None and is_same(now, _default(agent.get(PART), path))


def problems(workflow: Json, before: Json | None = None) -> list[str]:
    """Messages about why ElevenLabs would reject this workflow.

    Problems that `before` already had are left out: the service may be newer than the stored excerpt.
    """
    before = before or {}
    removed = [f"“{PART}.{key}” cannot be removed as a whole." for key in before if key not in workflow]
    try:
        known = set(_problems(before)) if before else set()
        return removed + [problem for problem in dict.fromkeys(_problems(workflow)) if problem not in known]
    except RecursionError:  # expressions of a condition can be nested to any depth
        return ["It is nested too deep to be checked."]


def _problems(workflow: Json) -> Iterator[str]:
    for error in _validator().iter_errors(workflow):
        yield _message(error)
    nodes, edges = workflow.get("nodes", {}), workflow.get("edges", {})
    if not isinstance(nodes, dict) or not isinstance(edges, dict):
        return
    for name, edge in edges.items():
        for end in ("source", "target"):
            node = edge.get(end) if isinstance(edge, dict) else None
            if isinstance(node, str) and node not in nodes:
                yield f"The {end} of edge “{name}” is “{node}”, which does not exist."
    for name, node in nodes.items():
        order = node.get("edge_order") if isinstance(node, dict) else None
        for edge in order if isinstance(order, list) else []:
            if isinstance(edge, str) and edge not in edges:
                yield f"Node “{name}” lists the edge “{edge}” in its edge_order, which does not exist."


def _message(error: jsonschema.ValidationError) -> str:
    where = ".".join([PART, *map(str, error.absolute_path)])
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"“{where}” needs {' and '.join(f'“{name}”' for name in missing)}."
        case "type":
            types = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
            return f"“{where}” has to be {' or '.join(TYPE_NAMES.get(name, name) for name in types)}."
        case "enum":
            return f"“{where}” has to be one of {', '.join(error.validator_value)}."
        case "minProperties":
            return f"“{where}” cannot be empty."
    return f"“{where}” does not fit ElevenLabs' document ({error.validator})."


@cache
def _schema() -> Json:
    schema: Json = json.loads(SCHEMA_FILE.read_text())
    return schema


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_schema())


def _default(workflow: Any, path: str) -> Any:
    """The schema's default for a setting; None if it has none."""
    schema: Any = _schema()
    value = workflow
    for key in keys(path)[1:]:
        schema = _resolved(schema, value)
        schema = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if not isinstance(schema, dict):
            return None
        value = value.get(key) if isinstance(value, dict) else None
    return _resolved(schema, value).get("default", schema.get("default"))


def _resolved(schema: Json, value: Any) -> Json:
    """Follows references, "this model or null", and the choice of a model by an object's `type`."""
    while True:
        if "$ref" in schema:
            schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        elif "else" in schema:
            schema = schema["else"]
        elif "allOf" in schema and isinstance(value, dict):
            matching = [branch["then"] for branch in schema["allOf"] if _applies(branch.get("if"), value)]
            schema = matching[0] if matching else {}
        else:
            return schema


def _applies(condition: Json | None, value: Json) -> bool:
    """`condition` requires a constant for one key: see `_by_type`."""
    return condition is not None and all(
        value.get(key) == schema["const"] for key, schema in condition["properties"].items()
    )


def excerpt(document: Json) -> Json:
    """The models of a workflow in requests, taken from the official OpenAPI document, as JSON Schema."""
    models: Json = document["components"]["schemas"]
    included: Json = {}
    pending = [ROOT_MODEL]
    while pending:
        name = pending.pop()
        if name not in included:
            included[name] = _plain(models[name])
            pending += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(included[name]))
    root = included.pop(ROOT_MODEL)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": dict(sorted(included.items()))}


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref'].rpartition('/')[2]}"} | _kept(schema, {"default"})
    if "discriminator" in schema:
        return _by_type(schema["discriminator"]) | _kept(schema, {"default"})
    if {"type": "null"} in schema.get("anyOf", []):
        others = [variant for variant in schema["anyOf"] if variant != {"type": "null"}]
        inner = _plain(others[0]) if len(others) == 1 else {"anyOf": _plain(others)}
        return {"if": {"type": "null"}, "else": inner} | _kept(schema, {"default"})
    plain = {name: value for name, value in schema.items() if name not in OMITTED_KEYS and not name.startswith("x-")}
    for name in ("properties", "patternProperties"):
        if name in plain:  # the keys are names of settings, which may be "title"
            plain[name] = {key: _plain(inner) for key, inner in plain[name].items()}
    for name in ("additionalProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf"):
        if name in plain:
            plain[name] = _plain(plain[name])
    return plain


def _by_type(discriminator: Json) -> Json:
    """One of several models, chosen by the value of a required key."""
    key, models = discriminator["propertyName"], discriminator["mapping"]
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": sorted(models)}},
        "allOf": [
            {
                "if": {"properties": {key: {"const": value}}, "required": [key]},
                "then": {"$ref": f"#/$defs/{models[value].rpartition('/')[2]}"},
            }
            for value in sorted(models)
        ],
    }


def _kept(schema: Json, names: set[str]) -> Json:
    return {name: schema[name] for name in names if name in schema}


if __name__ == "__main__":
    official = json.loads(Path(sys.argv[1]).read_text())
    SCHEMA_FILE.write_text(json.dumps(excerpt(official), indent=1, sort_keys=True) + "\n")
