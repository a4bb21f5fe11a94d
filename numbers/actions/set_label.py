"""Edit the label of a number."""

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
from numbers.actions.base import NumberAction
from numbers.models import PhoneNumber


@register
@dataclass(frozen=True, kw_only=True)
class SetLabel(NumberAction):
    """`shown` is the label that the page showed."""

    name = "number.rename"
    verbose_name = "edit label of number"
    permission = "numbers.change_phonenumber"
    button = "Edit label"

    label: str
    shown: str

    @classmethod
    def of(cls, number: PhoneNumber, label: str, *, shown: str) -> Self:  # type: ignore[override]
        names = {"object": number.display_name()}
        return cls(object_id=number.remote_id, display_names=names, label=label, shown=shown)

    @classmethod
    def shown_of(cls, number: PhoneNumber) -> str:
        return number.label

    def title(self) -> str:
        return f"Label {self.object_name} “{self.label}”"

    def success_message(self, attempt: Attempt, without: list[str]) -> str:
        return f"Labelled {self.object_name} “{self.label}”."

    def precheck(self, client: ElevenLabs) -> Attempt:
        number = self.existing(client)
        if number.label == self.label:
            raise NothingToDo(f"{self.object_name} already has this label; nothing was sent.", observed=number)
        if number.label != self.shown:
            raise PreconditionFailed(
                f"{self.object_name} is labelled “{number.label}” now: it was changed meanwhile.", observed=number
            )
        return Attempt(self.summarize(number), number)

    def send(self, client: ElevenLabs, attempt: Attempt, secrets: Secrets) -> Reply:
        return Reply(self.object_id, client.update_number(self.object_id, {"label": self.label}))

    def reconcile(self, attempt: Attempt, observed: RemoteNumber | None) -> Verdict:
        if observed is None:
            return Verdict(State.OVERTAKEN, "The number was removed from ElevenLabs meanwhile.")
        if observed.label == self.label:
            return Verdict(State.DONE)
        if observed.label == attempt.before.get("label"):
            return Verdict(State.NOT_APPLIED, "Read back: the label is the old one. It is safe to do it again.")
        return Verdict(State.OVERTAKEN, f"Read back: the label is “{observed.label}” now.")

    def summarize(self, observed: RemoteNumber) -> dict[str, Any]:
        return {"label": observed.label}
