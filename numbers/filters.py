"""What numbers are narrowed down by, in the list and in the API alike. An empty value narrows nothing down, but that
gone numbers are left out."""

from django.db.models import Q

from controlplane.mirror import outside
from numbers.models import PhoneNumberQuerySet as Numbers


def in_state(numbers: Numbers, state: str) -> Numbers:
    """A `State`, or "all" with gone ones. Needs `with_state`."""
    if state == "all":
        return numbers
    return numbers.filter(Q(state_now=state)) if state else numbers.filter(gone_at=None)


def of_agent(numbers: Numbers, remote_id: str) -> Numbers:
    return numbers.filter(bound_to=remote_id) if remote_id else numbers


def of_provider(numbers: Numbers, provider: str) -> Numbers:
    return numbers.filter(provider=provider) if provider else numbers


def changed_outside(numbers: Numbers, wanted: str) -> Numbers:
    """With an outside change that nobody has decided yet."""
    return numbers.filter(outside.changed_outside("number")) if wanted else numbers
