"""Functions that request an action on a number. Each makes one operation: see `controlplane/operations/run.py`."""

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
    """They live in the memory of one request and are handed on to ElevenLabs; nothing keeps them."""

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
    """`phone_number` is E.164; `region` is the remote's region_config without its token."""
    names = {"object": grouped(phone_number), "to": str(agent or actions.UNASSIGNED)}
    wanted = {
        "phone_number": phone_number,
        "label": label,
        "agent_id": agent.remote_id if agent else None,
        "enable_sms": enable_sms,
        "region": region,
    }
    secrets = dict(vars(credentials))
    with secrets_in_memory(*(secret for secret in secrets.values() if secret)):
        action_request = ActionRequest(import_action.ImportNumber, "", wanted, names, justification)
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
    """Assign, move or (agent None) release. `shown` is the remote agent id that the page showed, or ""."""
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
    """`binding` may name a branch_id and an environment to be set with it; `shown_binding` says what they are now."""
    names = {
        "object": number.display_name(),
        "from": agent_name(shown) if shown else actions.UNASSIGNED,
        "to": str(agent) if agent else actions.UNASSIGNED,
    }
    wanted: dict[str, Any] = {"agent_id": agent.remote_id if agent else None, "shown": shown or None}
    if binding:
        wanted |= {**binding, "shown_binding": dict(shown_binding or {})}
    return ActionRequest(actions.AssignNumber, number.remote_id, wanted, names, justification)


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
    wanted = {"label": label, "shown": shown}
    return ActionRequest(
        actions.RenameNumber, number.remote_id, wanted, {"object": number.display_name()}, justification
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
    """`shown` is the remote agent id that the page showed, or ""."""
    wanted, names = {"shown": shown or None}, {"object": number.display_name()}
    action_request = ActionRequest(actions.RemoveNumber, number.remote_id, wanted, names, justification)
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
    """Release the agent's numbers, or move them to a successor, and delete it then. A worker carries it out."""
    numbers = agent.numbers.filter(gone_at=None).order_by("phone_number")
    moves = [
        assign_request(number, successor, shown=number.bound_to, justification=justification) for number in numbers
    ]
    deed = f"move its numbers to {successor}" if successor else "unassign its numbers"
    title = f"Delete the agent {agent} and {deed}"
    steps = [*moves, agent_services.delete_request(agent, justification)]
    asked = {"retire": agent.remote_id, "successor": successor.remote_id if successor else None}
    return change_sets.plan(
        title, steps, asked=asked, key=key, actor=actor, justification=justification, on_begin=on_begin
    )


def agent_name(remote_id: str) -> str:
    agent = Agent.objects.filter(remote_id=remote_id).first()
    return str(agent) if agent else f"an unknown agent …{remote_id[-4:]}"
