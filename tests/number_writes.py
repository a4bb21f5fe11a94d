"""Writes on numbers, as staff request them: each executes one action, the last one plans a change set."""

from typing import Any

from agents.models import Agent
from controlplane.operations.execute import ActionContext, execute
from controlplane.operations.models import ChangeSet, Operation
from numbers import services
from numbers.actions import AssignNumber, RemoveNumber, SetLabel
from numbers.actions.import_number import ImportNumber, TwilioCredentials, execute_import
from numbers.models import PhoneNumber


def import_number(
    phone_number: str,
    *,
    label: str,
    credentials: TwilioCredentials,
    agent: Agent | None = None,
    enable_sms: bool = False,
    region: dict[str, str] | None = None,
    **context: Any,
) -> Operation:
    action = ImportNumber.of(phone_number, label=label, agent=agent, enable_sms=enable_sms, region=region)
    return execute_import(action, credentials, ActionContext(**context))


def assign(number: PhoneNumber, agent: Agent | None, *, shown: str, **context: Any) -> Operation:
    return execute(AssignNumber.of(number, agent, shown=shown), ActionContext(**context))


def set_label(number: PhoneNumber, label: str, *, shown: str, **context: Any) -> Operation:
    return execute(SetLabel.of(number, label, shown=shown), ActionContext(**context))


def remove(number: PhoneNumber, *, shown: str, **context: Any) -> Operation:
    return execute(RemoveNumber.of(number, shown=shown), ActionContext(**context))


def delete_agent_with_numbers(agent: Agent, replacement: Agent | None, **context: Any) -> ChangeSet:
    return services.delete_agent_with_numbers(agent, replacement, ActionContext(**context))
