"""The workflow of an agent, always replaced as a whole (assumption 12)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .errors import unprocessable
from .messages import Json
from .settings import Settings
from .validation import details

EMPTY: Json = {"edges": {}, "nodes": {}, "prevent_subagent_loops": False}
# The workflow of an agent that was never given one.
INITIAL: Json = {
    **EMPTY,
    "nodes": {"start_node": {"type": "start", "position": {"x": 0.0, "y": 0.0}, "edge_order": []}},
}


class Typed(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Node(Typed):
    type: Literal["start", "end", "phone_number", "override_agent", "standalone_agent", "tool"]
    label: str = ""
    edge_order: list[str] = []


class Condition(Typed):
    type: Literal["unconditional", "llm", "result", "expression"]


class Edge(Typed):
    source: str
    target: str
    forward_condition: Condition | None = None
    backward_condition: Condition | None = None


class Workflow(Typed):
    nodes: Annotated[dict[str, Node], Field(min_length=1)] = {}
    edges: dict[str, Edge] = {}
    prevent_subagent_loops: bool = False


WORKFLOW = TypeAdapter(Workflow)


def refuse_untyped(settings: Settings, workflow: Json | None) -> None:
    if settings.workflow == "replaces":
        return
    try:
        WORKFLOW.validate_python(workflow)
    except ValidationError as error:
        found = details(error, "body")
        raise unprocessable([{**each, "loc": ["body", "workflow", *each["loc"][1:]]} for each in found]) from None


def shown(stored: Json | None) -> Json:
    return INITIAL if stored is None else {**EMPTY, **stored}
