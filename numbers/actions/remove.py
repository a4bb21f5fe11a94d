"""Remove a number from ElevenLabs."""

from dataclasses import dataclass
from typing import Any, Self

from controlplane.elevenlabs import ElevenLabs
from controlplane.elevenlabs import PhoneNumber as RemoteNumber
from controlplane.operations.actions import (
    Attempt,
    NothingToDo,
    PreconditionFailed,
    Reply,
    Secrets,
    Verdict,
    register,
)
from controlplane.operations.models import State
from numbers.actions.base import NumberAction, agent_name, binding, get_number
from numbers.models import PhoneNumber


@register
@dataclass(frozen=True, kw_only=True)
class RemoveNumber(NumberAction):
    """`shown` is the agent id that the page showed."""

    name = "number.remove"
    verbose_name = "remove number from ElevenLabs"
    permission = "numbers.delete_phonenumber"
    button = "Remove"
    removes = True

    shown: str | None

    @classmethod
    def of(cls, number: PhoneNumber, *, shown: str) -> Self:  # type: ignore[override]
        return cls(object_id=number.remote_id, display_names={"object": number.display_name()}, shown=shown or None)

    def title(self) -> str:
        return f"Remove {self.object_name} from ElevenLabs"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return (
            f"Removed {self.object_name} from ElevenLabs. It stays yours at Twilio, where its webhook may still point "
            "to ElevenLabs."
        )

    def precheck(self, client: ElevenLabs) -> Attempt:
        number = get_number(client, self.object_id)
        if number is None:
            self.refuse_while_importing()
            raise NothingToDo(f"{self.object_name} was already gone at ElevenLabs; nothing was sent.")
        if number.agent_id != self.shown:
            raise PreconditionFailed(
                f"{self.object_name} is with {agent_name(number)} now: it was changed meanwhile.", observed=number
            )
        return Attempt(binding(number))

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        client.delete_number(self.object_id)
        return Reply(self.object_id)

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        if observed is None:
            return Verdict(State.DONE)
        return Verdict(State.NOT_APPLIED, "Read back: the number is still there. It is safe to remove it again.")

    def summarize(self, observed: RemoteNumber) -> dict[str, Any]:
        return binding(observed)
