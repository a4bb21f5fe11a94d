"""Merges a change into an agent's workflow and validates it.

ElevenLabs merges the other parts of a PATCH into what is there; a `workflow` replaces the whole one. A change is
therefore merged here, by the rules of a JSON Merge Patch (RFC 7386: null removes a key), and the workflow is sent
whole: docs/assumptions.md, 12. What is sent has to fit ElevenLabs' own document, of which `workflow_schema.json` is an
excerpt; `python -m agents.workflow OPENAPI.json` writes it again from a newer one.
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
# Prose, and lists of allowed values: those grow with every release (a new LLM), and ElevenLabs judges them itself.
LEFT_OUT = {"title", "description", "example", "examples", "enum", "discriminator", "deprecated", "format"}
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
    """RFC 7386, "JSON Merge Patch"."""
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
    """The whole workflow with {path: value} merged into it; the paths begin with "workflow."."""
    whole: Json = merged(current, nest(values)[PART])
    return whole


def holds(agent: Mapping[str, Any], path: str, value: Any) -> bool:
    """Does the agent's JSON show `value` there? A key that was removed shows nothing, or its default."""
    now = get(agent, path)
    if is_same(now, value) or not is_in_workflow(path):
        return is_same(now, value)
    if value == {}:  # merged into an object it changes nothing
        return isinstance(now, dict)
    return value is None and is_same(now, _default(agent.get(PART), path))


def problems(workflow: Json, before: Json | None = None) -> list[str]:
    """Why ElevenLabs would refuse this workflow, in words. What was wrong before is not held against a change: the
    service may be newer than our copy of its document."""
    before = before or {}
    gone = [f"“{PART}.{key}” cannot be removed as a whole." for key in before if key not in workflow]
    try:
        known = set(_problems(before)) if before else set()
        return gone + [problem for problem in dict.fromkeys(_problems(workflow)) if problem not in known]
    except RecursionError:  # an expression of a condition may hold others, to any depth
        return ["It is nested too deep to be checked."]


def _problems(workflow: Json) -> Iterator[str]:
    for error in _validator().iter_errors(workflow):
        yield _in_words(error)
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


def _in_words(error: jsonschema.ValidationError) -> str:
    where = ".".join([PART, *map(str, error.absolute_path)])
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"“{where}” needs {' and '.join(f'“{name}”' for name in missing)}."
        case "type":
            kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
            return f"“{where}” has to be {' or '.join(TYPE_NAMES.get(kind, kind) for kind in kinds)}."
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
    """What ElevenLabs' document gives a setting that is not there; None where it names nothing."""
    schema: Any = _schema()
    here = workflow
    for key in keys(path)[1:]:
        schema = _resolved(schema, here)
        schema = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if not isinstance(schema, dict):
            return None
        here = here.get(key) if isinstance(here, dict) else None
    return _resolved(schema, here).get("default", schema.get("default"))


def _resolved(schema: Json, value: Any) -> Json:
    """The model that is meant by a reference, by "this or null", or by an object's `type`."""
    while True:
        if "$ref" in schema:
            schema = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        elif "else" in schema:
            schema = schema["else"]
        elif "allOf" in schema and isinstance(value, dict):
            fitting = [one["then"] for one in schema["allOf"] if _fits(one.get("if"), value)]
            schema = fitting[0] if fitting else {}
        else:
            return schema


def _fits(condition: Json | None, value: Json) -> bool:
    """`condition` names one key and what it has to be: see `_by_type`."""
    return condition is not None and all(value.get(key) == one["const"] for key, one in condition["properties"].items())


def excerpt(document: Json) -> Json:
    """The part of the official OpenAPI document that is about a workflow that is sent, as JSON Schema."""
    models: Json = document["components"]["schemas"]
    found: Json = {}
    left = [ROOT_MODEL]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = _plain(models[name])
            left += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(found[name]))
    root = found.pop(ROOT_MODEL)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": dict(sorted(found.items()))}


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref'].rpartition('/')[2]}"} | _kept(schema, {"default"})
    if "discriminator" in schema:
        return _by_type(schema["discriminator"]) | _kept(schema, {"default"})
    if [one for one in schema.get("anyOf", []) if one != {"type": "null"}] != schema.get("anyOf", []):
        others = [one for one in schema["anyOf"] if one != {"type": "null"}]
        inner = _plain(others[0]) if len(others) == 1 else {"anyOf": _plain(others)}
        return {"if": {"type": "null"}, "else": inner} | _kept(schema, {"default"})
    plain = {name: value for name, value in schema.items() if name not in LEFT_OUT and not name.startswith("x-")}
    for name in ("properties", "patternProperties"):
        if name in plain:  # a setting may well be called "title"
            plain[name] = {key: _plain(inner) for key, inner in plain[name].items()}
    for name in ("additionalProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf"):
        if name in plain:
            plain[name] = _plain(plain[name])
    return plain


def _by_type(discriminator: Json) -> Json:
    """One of several models, identified by a key that is therefore required."""
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
