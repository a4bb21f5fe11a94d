"""API endpoints of numbers, and the deletion of an agent, which moves its numbers."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from agents.actions import DeleteAgent
from agents.api import get_agent_or_404
from agents.api import router as agents_router
from agents.models import Agent
from controlplane.api.auth import requires
from controlplane.api.idempotency import execute_idempotently, run_idempotently
from controlplane.api.operations import ChangeSetOut, OperationOut
from controlplane.api.paging import Cursor, Limit, Page, page
from controlplane.api.problems import Problem, invalid
from controlplane.api.schemas import NOT_BLANK, IdInPath, Key, RemoteId, Text, WithJustification, one_of
from controlplane.elevenlabs import is_id
from controlplane.enqueue import enqueue
from controlplane.operations import tasks
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import ChangeSet, Operation
from numbers import filters, services
from numbers.action_pages import plain_actions
from numbers.actions import AssignNumber, NumberAction, RemoveNumber, SetLabel
from numbers.agent_picker import active_agents
from numbers.models import PhoneNumber, State
from numbers.search import matching

router = Router(tags=["Numbers"])
WRITE = {200: OperationOut, 202: OperationOut}
MAX_NAMED = 20
NOT_ACTIVE = "This agent is archived or gone, or there is none. Choose another."


NumberState = Annotated[State, one_of(State)]


class NumberOut(Schema):
    id: str = Field(description="ElevenLabs' id")
    phone_number: str = Field(description="E.164; for some trunks a SIP user")
    label: str
    state: NumberState
    agent_id: str | None
    agent_name: str | None
    branch_id: str | None = Field(description="The branch of the agent that answers; null: its main branch")
    environment: str | None = Field(description="The environment whose variables it uses; null: the default one")
    provider: str
    supports_inbound: bool
    imported_at: datetime | None
    listed_at: datetime | None


class NumberFilters(Schema):
    state: NumberState | Literal["", "all"] = Field("", description="Empty: all but gone ones")
    agent: Text = Field("", max_length=64, description="The id of the agent that answers")
    provider: Text = Field("", max_length=40)
    outside: Literal["", "open"] = Field("", description="`open`: changed outside this app, and not decided yet")
    q: Text = Field("", max_length=200, description="Digits in any grouping, a label, an agent's name, an id")


class Assignment(WithJustification):
    agent_id: RemoteId | None = Field(description="The agent to assign; null unassigns the number")
    expected_agent_id: RemoteId | None = Field(
        None,
        description="The agent assigned now, null for none: if another, nothing is sent. Default: the one known here",
    )


class NewLabel(WithJustification):
    label: Text = Field(max_length=300, json_schema_extra=NOT_BLANK)
    expected_label: Text | None = Field(
        None,
        max_length=300,
        description="The label now: if it is another, nothing is sent. Default: the one known here",
    )


class Removal(WithJustification):
    expected_agent_id: str | None = Field(
        None, max_length=64, description="The agent assigned now, empty for none: if it is another, nothing is sent"
    )


class AgentDeletion(WithJustification):
    numbers: Literal["release", "move"] | None = Field(None, description="What to do with the agent's numbers")
    successor: RemoteId | None = Field(None, description="The agent that they are moved to, with `numbers=move`")


@router.get("/numbers", summary="List numbers", response=Page[NumberOut], auth=requires("numbers.view_phonenumber"))
def numbers(request: HttpRequest, chosen: Query[NumberFilters], limit: Limit, cursor: Cursor) -> Any:
    """In the order of their digits."""
    rows = PhoneNumber.objects.with_state().select_related("agent").defer("remote_data", "agent__remote_data")
    rows = filters.of_agent(filters.in_state(rows, chosen.state), chosen.agent)
    rows = filters.changed_outside(filters.of_provider(rows, chosen.provider), chosen.outside)
    if chosen.q.strip():
        rows = matching(rows, chosen.q)
    found, following = page(rows, "phone_number", name="numbers", narrowed=chosen, limit=limit, cursor=cursor)
    return {"items": [_plain(number) for number in found], "next": following}


@router.patch(
    "/numbers/{number_id}/assign",
    summary="Assign, move or unassign a number",
    response=WRITE,
    auth=requires(AssignNumber.permission),
)
def assign_number(request: HttpRequest, response: HttpResponse, number_id: IdInPath, key: Key, body: Assignment) -> Any:
    """Assign, move or unassign a number, in one request to ElevenLabs."""
    number = _number(number_id)

    def action() -> AssignNumber:
        shown = body.expected_agent_id or "" if "expected_agent_id" in body.model_fields_set else number.bound_to
        agent = None if body.agent_id is None else _active(body.agent_id, "agent_id")
        return AssignNumber.of(number, agent, shown=shown)

    return execute_idempotently(request, response, key, body, action)


@router.patch(
    "/numbers/{number_id}",
    summary="Edit the label of a number",
    response=WRITE,
    auth=requires(SetLabel.permission),
)
def label_number(request: HttpRequest, response: HttpResponse, number_id: IdInPath, key: Key, body: NewLabel) -> Any:
    """Change a number's label, here and at ElevenLabs."""
    number = _number(number_id)

    def action() -> SetLabel:
        if not body.label.strip():
            raise invalid([("label", "A label cannot be empty.")])
        shown = number.label if body.expected_label is None else body.expected_label
        return SetLabel.of(number, body.label.strip(), shown=shown)

    return execute_idempotently(request, response, key, body, action)


@router.delete(
    "/numbers/{number_id}",
    summary="Remove a number from ElevenLabs",
    response=WRITE,
    auth=requires(RemoveNumber.permission),
)
def remove_number(
    request: HttpRequest, response: HttpResponse, number_id: IdInPath, key: Key, asked: Query[Removal]
) -> Any:
    """Remove a number from ElevenLabs. It stays yours at Twilio."""
    number = _number(number_id)
    shown = number.bound_to if asked.expected_agent_id is None else asked.expected_agent_id
    return execute_idempotently(request, response, key, asked, lambda: RemoveNumber.of(number, shown=shown))


@agents_router.delete(  # on the router that has the other methods of this URL
    "/agents/{agent_id}",
    summary="Delete an agent",
    response={200: OperationOut, 202: OperationOut | ChangeSetOut},
    auth=requires(DeleteAgent.permission),
)
def delete_agent(
    request: HttpRequest, response: HttpResponse, agent_id: IdInPath, key: Key, asked: Query[AgentDeletion]
) -> Any:
    """Delete an agent. One that answers numbers is deleted only with `numbers`, which sets what to do with them: then a
    worker runs all steps in order, and the answer is the change set to poll."""
    agent = get_agent_or_404(agent_id)
    bound = agent.numbers.filter(gone_at=None).order_by("phone_number")
    if asked.numbers and bound.exists() and not request.user.has_perm(AssignNumber.permission):
        raise Problem(403, "forbidden", "Not sent. You may not assign or unassign the numbers of this agent.")

    def delete(context: ActionContext) -> Operation | ChangeSet:
        if asked.numbers is None:
            _refuse_with_numbers(agent, list(bound.values_list("phone_number", flat=True)[: MAX_NAMED + 1]))
        if asked.numbers is None or not bound.exists():
            return execute(DeleteAgent.of(agent), context)
        return _delete_with_numbers(agent, asked, context)

    return run_idempotently(request, response, key, asked, delete)


class PlainAction(WithJustification):
    expected: Text | None = Field(
        None, max_length=300, description="What the action is based on: if it is another now, nothing is sent"
    )


def plain_router() -> Router:
    """`POST /numbers/{number_id}/<action>` for each registered action that has no endpoint of its own above."""
    plain = Router(tags=["Numbers"])
    for action in plain_actions():
        plain.add_api_operation(
            f"/numbers/{{number_id}}/{action.slug()}",
            ["POST"],
            _plain_endpoint(action),
            summary=f"{action.button}: a number",
            response=WRITE,
            auth=requires(action.permission),
        )
    return plain


def _plain_endpoint(action: type[NumberAction]) -> Callable[..., Any]:
    def endpoint(request: HttpRequest, response: HttpResponse, number_id: IdInPath, key: Key, body: PlainAction) -> Any:
        number = _number(number_id)
        shown = action.shown_of(number) if body.expected is None else body.expected
        return execute_idempotently(request, response, key, body, lambda: action.of(number, shown=shown))

    endpoint.__name__ = action.name.replace(".", "_")
    return endpoint


def _refuse_with_numbers(agent: Agent, bound: list[str]) -> None:
    if bound:
        named = ", ".join(bound[:MAX_NAMED]) + (" …" if len(bound) > MAX_NAMED else "")
        raise Problem(
            409,
            "has-numbers",
            f"Not sent. {agent} answers {named}. Send numbers=release, or numbers=move with a successor.",
        )


def _delete_with_numbers(agent: Agent, asked: AgentDeletion, context: ActionContext) -> ChangeSet:
    replacement = None
    if asked.numbers == "move":
        if asked.successor in (None, agent.remote_id):
            raise invalid([("successor", "Choose the agent that answers these numbers from now on.")])
        replacement = _active(str(asked.successor), "successor")
    change_set = services.delete_agent_with_numbers(agent, replacement, context)
    enqueue(tasks.run_change_sets)
    return change_set


def _number(number_id: str) -> PhoneNumber:
    found = PhoneNumber.objects.select_related("agent").filter(remote_id=number_id) if is_id(number_id) else None
    number = found.first() if found is not None else None
    if number is None:
        raise Http404
    return number


def _active(agent_id: str, field: str) -> Agent:
    agent = active_agents().filter(remote_id=agent_id).first()
    if agent is None:
        raise invalid([(field, NOT_ACTIVE)])
    return agent


def _plain(number: PhoneNumber) -> dict[str, Any]:
    copied = ("phone_number", "label", "state", "provider", "supports_inbound", "imported_at", "listed_at")
    return {
        **{name: getattr(number, name) for name in copied},
        "id": number.remote_id,
        "agent_id": number.bound_to or None,
        "agent_name": number.agent.display_name() if number.agent else None,
        "branch_id": number.branch_id or None,
        "environment": number.environment or None,
    }
