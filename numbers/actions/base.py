"""The base of actions on a number, and what several of them use."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from django.utils import timezone

from controlplane.audit.ledger import Cause
from controlplane.elevenlabs import ElevenLabs, NotFound
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.mirror.readings import Reading
from controlplane.operations.actions import (
    Action,
    Attempt,
    PreconditionFailed,
)
from numbers import mirror
from numbers.import_polling import GIVE_UP_AFTER
from numbers.models import PhoneNumber

UNASSIGNED = "no agent"


@dataclass(frozen=True, kw_only=True)
class NumberAction(Action):
    """Base of the actions on an existing number."""

    object_type = "number"
    remote = RemoteNumber
    button: ClassVar[str]  # "Edit label"
    is_offered: ClassVar[bool] = True  # to staff, on a page and in the API

    @classmethod
    def of(cls, number: PhoneNumber, *args: Any, shown: str, **values: Any) -> Self:
        """The action on this number. `shown` is what `shown_of` returned when the request was made."""
        raise NotImplementedError

    @classmethod
    def shown_of(cls, number: PhoneNumber) -> str:
        """The value that has to be the same still when the action is carried out. By default, the agent's id."""
        return number.bound_to

    @classmethod
    def slug(cls) -> str:
        """ "number.edit_label" -> "edit-label", for URLs."""
        return cls.name.partition(".")[2].replace("_", "-")

    def read_back(self, client: ElevenLabs, attempt: Attempt) -> RemoteNumber | None:
        return get_number(client, self.object_id)

    def existing(self, client: ElevenLabs) -> RemoteNumber:
        """GET the number for a precheck. Raises PreconditionFailed if it does not exist."""
        number = get_number(client, self.object_id)
        if number is None:
            self.refuse_while_importing()
            mirror.mark_missing(self.object_id)
            raise PreconditionFailed(f"{self.object_name} is not in ElevenLabs any more: it was removed there.")
        return number

    def refuse_while_importing(self) -> None:
        """Raises PreconditionFailed while the import is still polled for, when a 404 may mean "not yet"."""
        polled = PhoneNumber.objects.existing().filter(remote_id=self.object_id, listed_at=None, gave_up_at=None)
        if number := polled.filter(imported_at__gt=timezone.now() - GIVE_UP_AFTER).first():
            raise PreconditionFailed(
                f"{self.object_name} cannot be seen at ElevenLabs yet: its import was accepted at "
                f"{number.imported_at:%H:%M:%S} UTC. Try again when it is listed, which usually takes 5 seconds."
            )

    def is_mirrored(self, found: RemoteNumber) -> bool:
        return mirror.is_current(found)

    def store(self, observed: RemoteNumber | None, cause: Cause, reading: Reading, *, done: bool) -> None:
        if observed is not None:
            mirror.upsert_row(observed, cause, reading)
        elif done and self.removes:
            mirror.mark_gone(self.object_id, cause)


def get_number(client: ElevenLabs, number_id: str) -> RemoteNumber | None:
    try:
        return client.get_number(number_id)
    except NotFound:
        return None


def binding(number: RemoteNumber) -> dict[str, Any]:
    return {
        "agent_id": number.agent_id,
        "agent_name": number.assigned_agent.agent_name if number.assigned_agent else None,
        "branch_id": number.branch_id,
        "environment": number.environment,
    }


def agent_name(number: RemoteNumber) -> str:
    """The name that ElevenLabs shows for the number's agent, with the end of its id."""
    if number.agent_id is None or number.assigned_agent is None:
        return UNASSIGNED
    return f"{number.assigned_agent.agent_name or 'an agent without a name'} …{number.agent_id[-4:]}"
