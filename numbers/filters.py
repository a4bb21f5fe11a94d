"""Queryset filters of numbers, shared by the list and the API. An empty value filters nothing, except that deleted
numbers are left out."""

from controlplane.operations import external_changes
from numbers.models import PhoneNumberQuerySet as Numbers
from numbers.models import State


def in_state(numbers: Numbers, state: str) -> Numbers:
    """`state` is a `State`, or "all", which includes deleted numbers. An unknown state matches no number."""
    if state == "all":
        return numbers
    if not state:
        return numbers.filter(gone_at=None)
    return numbers.in_state(State(state)) if state in State.values else numbers.none()


def of_agent(numbers: Numbers, remote_id: str) -> Numbers:
    return numbers.filter(bound_to=remote_id) if remote_id else numbers


def of_provider(numbers: Numbers, provider: str) -> Numbers:
    return numbers.filter(provider=provider) if provider else numbers


def changed_outside(numbers: Numbers, wanted: str) -> Numbers:
    """Numbers with an external change that is still open."""
    return numbers.filter(external_changes.changed_outside("number")) if wanted else numbers
