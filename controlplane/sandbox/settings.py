"""Switches for the remote's behaviours, set at the start or while it runs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    # Seconds on the sandbox's clock before an imported number is in any list.
    listed_after: Annotated[float, Field(ge=0)] = 5.0
    # Whether GET by id also returns 404 until then; otherwise the number is found by id at once.
    hidden_until_listed: bool = False
    # What a number shows after its agent was deleted: the deleted id, nothing (but it is still bound), or really
    # unbound.
    after_delete: Literal["dangling", "null", "released"] = "dangling"
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    # `offset`: a row removed between two pages makes the next page skip one, as with index-based lists.
    paging: Literal["keyset", "offset"] = "keyset"
    # A `workflow` in a PATCH replaces the whole workflow. `replaces`: whatever its shape. `refuses`: a workflow that
    # the official document does not allow (a node without a type, an edge without ends, null) is a 422.
    workflow: Literal["replaces", "refuses"] = "replaces"
