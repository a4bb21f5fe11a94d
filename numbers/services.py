"""Functions that request an action on a number. Each creates one operation: see `controlplane/operations/run.py`.

The exception is `delete_agent_with_numbers`, which plans a change set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.views.decorators.debug import sensitive_variables

from agents import services as agent_services
from agents.models import Agent
from controlplane.audit.justification import NO_JUSTIFICATION, Justification
from controlplane.elevenlabs import secrets_in_memory
from controlplane.operations import change_sets
from controlplane.operations.models import ChangeSet, Operation
from controlplane.operations.run import ActionRequest, OnBegin, run
from numbers import actions, import_action
from numbers.e164 import grouped
from numbers.models import PhoneNumber


@dataclass(frozen=True)
class TwilioCredentials:
    """Credentials that are passed on to ElevenLabs. They exist in the memory of one request and are never stored."""

    sid: str = field(repr=False)
    token: str = field(repr=False)
    account_auth_token: str = field(default="", repr=False)
    region_token: str = field(default="", repr=False)


@sensitive_variables("credentials", "secrets")
def import_number(
    phone_number: str,
    *,
    label: str,
    credentials: TwilioCredentials,
    agent: Agent | None = None,
    enable_sms: bool = False,
    region: dict[str, str] | None = None,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """`phone_number` is E.164; `region` is ElevenLabs' `region_config` without the token."""
    names = {"object": grouped(phone_number), "to": str(agent or actions.UNASSIGNED)}
    params = {
        "phone_number": phone_number,
        "label": label,
        "agent_id": agent.remote_id if agent else None,
        "enable_sms": enable_sms,
        "region": region,
    }
    secrets = dict(vars(credentials))
    with secrets_in_memory(*(secret for secret in secrets.values() if secret)):
        action_request = ActionRequest(import_action.ImportNumber, "", params, names, justification)
        return run(action_request, key=key, actor=actor, secrets=secrets, on_begin=on_begin)


def assign(
    number: PhoneNumber,
    agent: Agent | None,
    *,
    shown: str,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """Assign or move a number, or unassign it (agent None). `shown` is the agent id that the page showed, or ""."""
    return run(
        assign_request(number, agent, shown=shown, justification=justification), key=key, actor=actor, on_begin=on_begin
    )


def assign_request(
    number: PhoneNumber,
    agent: Agent | None,
    *,
    shown: str,
    justification: Justification = NO_JUSTIFICATION,
    binding: Mapping[str, str | None] | None = None,
    shown_binding: Mapping[str, str | None] | None = None,
) -> ActionRequest:
    """`binding` may have a branch_id and an environment to set as well; `shown_binding` has their current values."""
    names = {
        "object": number.display_name(),
        "from": agent_name(shown) if shown else actions.UNASSIGNED,
        "to": str(agent) if agent else actions.UNASSIGNED,
    }
    params: dict[str, Any] = {"agent_id": agent.remote_id if agent else None, "shown": shown or None}
    if binding:
        params |= {**binding, "shown_binding": dict(shown_binding or {})}
    return ActionRequest(actions.AssignNumber, number.remote_id, params, names, justification)


def set_label(
    number: PhoneNumber,
    label: str,
    *,
    shown: str,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    return run(
        label_request(number, label, shown=shown, justification=justification), key=key, actor=actor, on_begin=on_begin
    )


def label_request(
    number: PhoneNumber, label: str, *, shown: str, justification: Justification = NO_JUSTIFICATION
) -> ActionRequest:
    params = {"label": label, "shown": shown}
    return ActionRequest(
        actions.RenameNumber, number.remote_id, params, {"object": number.display_name()}, justification
    )


def remove(
    number: PhoneNumber,
    *,
    shown: str,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: OnBegin | None = None,
) -> Operation:
    """`shown` is the agent id that the page showed, or ""."""
    params, names = {"shown": shown or None}, {"object": number.display_name()}
    action_request = ActionRequest(actions.RemoveNumber, number.remote_id, params, names, justification)
    return run(action_request, key=key, actor=actor, on_begin=on_begin)


def delete_agent_with_numbers(
    agent: Agent,
    successor: Agent | None,
    *,
    key: str,
    actor: User | None,
    justification: Justification = NO_JUSTIFICATION,
    on_begin: Callable[[ChangeSet], None] | None = None,
) -> ChangeSet:
    """Plan to unassign the agent's numbers, or move them to a successor, and to delete it. A worker runs the steps."""
    numbers = agent.numbers.filter(gone_at=None).order_by("phone_number")
    moves = [
        assign_request(number, successor, shown=number.bound_to, justification=justification) for number in numbers
    ]
    before = f"move its numbers to {successor}" if successor else "unassign its numbers"
    title = f"Delete the agent {agent} and {before}"
    steps = [*moves, agent_services.delete_request(agent, justification)]
    request = {"retire": agent.remote_id, "successor": successor.remote_id if successor else None}
    return change_sets.plan(
        title, steps, asked=request, key=key, actor=actor, justification=justification, on_begin=on_begin
    )


def agent_name(remote_id: str) -> str:
    agent = Agent.objects.filter(remote_id=remote_id).first()
    return str(agent) if agent else f"an unknown agent …{remote_id[-4:]}"
