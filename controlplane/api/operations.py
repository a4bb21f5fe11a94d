"""API endpoints of operations and change sets: what was requested of ElevenLabs and its result."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from ninja import Field, Path, Query, Router, Schema

from controlplane.api.auth import requires
from controlplane.api.paging import Cursor, Limit, Page, page
from controlplane.api.problems import Problem
from controlplane.api.schemas import Text, one_of
from controlplane.operations import change_sets, search
from controlplane.operations.models import ChangeSet, Evidence, Operation, State

router = Router(tags=["Operations"])
MAX_ID = 2**63 - 1
FORM_FIELDS = {"agent": "agent_id", "patch": "settings"}  # API field names that differ from the form's
CLIENT_ERROR_STATUSES = (400, 404, 409, 413, 422)  # remote statuses caused by the request's own values


OperationState = Annotated[State, one_of(State)]
ChangeSetState = Annotated[ChangeSet.State, one_of(ChangeSet.State)]


class OperationOut(Schema):
    id: int
    url: str
    kind: str = Field(description="`agent.create`, `number.assign` and so on")
    state: OperationState
    title: str = Field(description="The operation, in one sentence")
    message: str = Field(description="What became of it, for people")
    object_type: str
    object_id: str = Field(description="ElevenLabs' id of the agent or number; empty until it has one")
    actor: str
    reason: str
    ticket: str
    change_set: int | None
    trace_id: str = Field(description="ElevenLabs' own id of the request")
    created_at: datetime
    sent_at: datetime | None
    settle_at: datetime | None = Field(description="When an unconfirmed one is read back next")
    ended_at: datetime | None


# published field names that differ from the model's
COLUMNS = {"wanted": "params", "seen": "observed", "known_by": "evidence_text"}


class OperationWhole(OperationOut):
    wanted: dict[str, Any]
    before: dict[str, Any] | None
    seen: dict[str, Any] | None
    not_kept: list[str]
    error_fields: list[str] = Field(description="Fields that were refused, by name or by ElevenLabs' path")
    known_by: str = Field(description="`evidence` as a sentence")
    evidence: str = Field(description="How the verdict is known: `answered`, `read_back` and so on")
    reason_code: str = Field(description="Why it did not succeed: `precondition`, `not_found`, `timed_out` and so on")
    http_status: int | None
    milliseconds: int | None


class ChangeSetOut(Schema):
    id: int
    url: str
    title: str
    state: ChangeSetState
    problem: str
    actor: str
    created_at: datetime
    ended_at: datetime | None
    steps: list[OperationOut]


class OperationFilters(Schema):
    state: OperationState | None = None
    kind: Text = Field("", max_length=40)
    object_type: Text = Field("", max_length=20)
    object_id: Text = Field("", max_length=64)
    change_set: int | None = Field(None, ge=1, le=MAX_ID)
    q: Text = Field("", max_length=200, description="Words of the title, id, person or trace id")


@router.get(
    "/operations", summary="List operations", response=Page[OperationOut], auth=requires("operations.view_operation")
)
def operations(request: HttpRequest, filters: Query[OperationFilters], limit: Limit, cursor: Cursor) -> Any:
    """Newest first."""
    rows = Operation.objects.defer("params", "before", "observed", "not_kept", "display_names")
    exact = filters.model_dump(exclude={"q"}, exclude_defaults=True)
    rows = rows.filter(**exact)
    if filters.q.strip():
        rows = search.matching(rows, filters.q)
    found, following = page(rows, "-id", name="operations", narrowed=filters, limit=limit, cursor=cursor)
    return {"items": [serialize_operation(op) for op in found], "next": following}


@router.get(
    "/operations/{operation_id}",
    summary="Watch an operation",
    response=OperationWhole,
    auth=requires("operations.view_operation"),
)
def operation(request: HttpRequest, operation_id: Path[int]) -> Any:
    """Poll an unconfirmed operation here: workers read ElevenLabs back until `state` is final."""
    op = Operation.objects.filter(pk=operation_id).first() if 0 < operation_id <= MAX_ID else None
    if op is None:
        raise Http404
    extra = OperationWhole.model_fields.keys() - OperationOut.model_fields.keys()
    values = {name: getattr(op, COLUMNS.get(name, name)) for name in extra}
    return OperationWhole(**serialize_operation(op).model_dump(), **values)


@router.get(
    "/change-sets/{change_set_id}",
    summary="Watch a change set",
    response=ChangeSetOut,
    auth=requires("operations.view_changeset"),
)
def change_set(request: HttpRequest, change_set_id: Path[int]) -> Any:
    """Several operations that a worker carries out in order, such as those of deleting an agent with numbers."""
    found = ChangeSet.objects.filter(pk=change_set_id).first() if 0 < change_set_id <= MAX_ID else None
    if found is None:
        raise Http404
    return serialize_change_set(found)


def serialize_operation(op: Operation) -> OperationOut:
    names = OperationOut.model_fields.keys() - {"url", "actor", "change_set"}
    return OperationOut(
        **{name: getattr(op, name) for name in names},
        url=f"/api/operations/{op.pk}",
        actor=op.actor_name,
        change_set=op.change_set_id,
    )


def serialize_change_set(found: ChangeSet) -> ChangeSetOut:
    names = ("id", "title", "state", "problem", "created_at", "ended_at")
    return ChangeSetOut(
        **{name: getattr(found, name) for name in names},
        url=f"/api/change-sets/{found.pk}",
        actor=found.actor_name,
        steps=[serialize_operation(op) for op in change_sets.current_steps(found)],
    )


def refusal(op: Operation) -> Problem:
    """The problem document of an operation that did not succeed. Built from the row alone, so it is the same each
    time."""
    status = {
        State.NOT_SENT: 409 if op.evidence == Evidence.CHECKED else 503,
        State.REFUSED: 422 if op.http_status in CLIENT_ERROR_STATUSES else 502,
    }.get(State(op.state), 409)
    fields = [(FORM_FIELDS.get(name, name), op.message) for name in op.error_fields]
    return Problem(status, op.state.replace("_", "-"), op.message, operation=op.pk, trace_id=op.trace_id, fields=fields)
