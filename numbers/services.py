"""Requests that take more than one action."""

from agents.actions import DeleteAgent
from agents.models import Agent
from controlplane.operations import change_sets
from controlplane.operations.change_sets import Step
from controlplane.operations.execute import ActionContext
from controlplane.operations.models import ChangeSet
from numbers.actions import AssignNumber


def delete_agent_with_numbers(agent: Agent, replacement: Agent | None, context: ActionContext) -> ChangeSet:
    """Plan to unassign the agent's numbers, or move them to a replacement, and to delete it. A worker runs the
    steps."""
    numbers = agent.numbers.filter(gone_at=None).order_by("phone_number")
    moves = [AssignNumber.of(number, replacement, shown=number.bound_to) for number in numbers]
    first = f"move its numbers to {replacement}" if replacement else "unassign its numbers"
    request = {"retire": agent.remote_id, "successor": replacement.remote_id if replacement else None}
    steps = [Step(action) for action in (*moves, DeleteAgent.of(agent))]
    return change_sets.plan(f"Delete the agent {agent} and {first}", steps, context, request=request)
